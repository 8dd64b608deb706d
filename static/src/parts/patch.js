// Morphs the main region into its new self; the field somebody types in keeps focus, caret and words.
import htmx from "htmx.org";

function hold() {
  const field = document.activeElement;
  if (!field?.closest?.("#main") || !field.matches("input, select, textarea, button, a")) return () => {};
  const caret = "selectionStart" in field ? [field.selectionStart, field.selectionEnd] : null;
  const typed = field.value;
  return () => {
    const now = field.isConnected ? field : field.id && document.getElementById(field.id);
    if (!now || now === document.activeElement) return;
    if (typed !== undefined && now !== field) now.value = typed;
    now.focus({ preventScroll: true });
    if (caret && caret[0] !== null) now.setSelectionRange(...caret);
  };
}

export async function patch(text) {
  const region = document.getElementById("main");
  const restore = hold();
  await htmx.swap({ target: region, text, swap: "innerMorph", sourceElement: region, transition: false });
  restore();
}
