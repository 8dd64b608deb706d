// Morphs the main region into a newer version; the focused field keeps focus, caret and value.
import htmx from "htmx.org";

function rememberFocus() {
  const field = document.activeElement;
  if (!field?.closest?.("#main") || !field.matches("input, select, textarea, button, a")) return () => {};
  const caret = "selectionStart" in field ? [field.selectionStart, field.selectionEnd] : null;
  const typed = field.value;
  return () => {
    const current = field.isConnected ? field : field.id && document.getElementById(field.id);
    if (!current || current === document.activeElement) return;
    if (typed !== undefined && current !== field) current.value = typed;
    current.focus({ preventScroll: true });
    if (caret && caret[0] !== null) current.setSelectionRange(...caret);
  };
}

let refreshes = 0;

export function isRefreshing() {
  return refreshes > 0;
}

export async function morphMain(html) {
  const region = document.getElementById("main");
  const restoreFocus = rememberFocus();
  refreshes += 1;
  try {
    await htmx.swap({ target: region, text: html, swap: "innerMorph", sourceElement: region, transition: false });
  } finally {
    refreshes -= 1;
  }
  restoreFocus();
}
