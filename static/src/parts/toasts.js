// Toasts: short messages at the corner of the page about changes and refusals, some with a button that undoes the change.
import htmx from "htmx.org";

const ICONS = { good: "circle-check", bad: "circle-x", warn: "alert-triangle" };

export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `${document.body.dataset.icons}#${name}`);
  svg.append(use);
  return svg;
}

export function toast(text, tone = "good", undo = "") {
  if (!text) return;
  const box = document.createElement("div");
  box.className = `toast is-${tone}`;
  box.setAttribute("role", tone === "bad" ? "alert" : "status");
  const label = document.createElement("span");
  label.textContent = text;
  box.append(icon(ICONS[tone] ?? "info-circle"), label);
  const container = document.getElementById("toasts");
  container.append(box);
  while (container.children.length > 4) container.firstElementChild.remove();
  if (undo) offerUndo(box, undo);
  else dismissLater(box, tone);
}

function dismissLater(box, tone) {
  let timer = setTimeout(() => box.remove(), tone === "bad" ? 9000 : 3500);
  box.addEventListener("click", () => box.remove());
  box.addEventListener("mouseenter", () => clearTimeout(timer));
  box.addEventListener("mouseleave", () => (timer = setTimeout(() => box.remove(), 1500)));
}

// It stays as long as the change can be undone, wherever the pointer is, and an older offer makes way: of two changes of
// one thing only the last can be undone, and `u` must not be ambiguous.
function offerUndo(box, url) {
  const { undoLabel, undoSeconds } = document.getElementById("toasts").dataset;
  for (const button of document.querySelectorAll("#toasts [data-undo-button]")) button.closest(".toast").remove();
  const button = document.createElement("button");
  button.type = "button";
  button.className = "btn is-small";
  button.dataset.undoButton = "";
  button.setAttribute("hx-post", url);
  button.setAttribute("hx-swap", "none");
  button.setAttribute("aria-keyshortcuts", "u");
  const key = document.createElement("kbd");
  key.textContent = "u";
  key.setAttribute("aria-hidden", "true");
  button.append(`${undoLabel} `, key);
  box.append(button);
  box.classList.add("has-undo");
  htmx.process(button);
  setTimeout(() => box.remove(), Number(undoSeconds) * 1000);
}

document.addEventListener("htmx:finally:request", ({ detail: { ctx } }) => {
  if (ctx.sourceElement.matches?.("[data-undo-button]")) ctx.sourceElement.closest(".toast")?.remove();
});
document.addEventListener("keydown", (event) => {
  const isTyping = event.target.closest?.("input, textarea, select, [contenteditable], .xterm, dialog[open]");
  if (event.key !== "u" || isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
  document.querySelector("#toasts [data-undo-button]")?.click();
});

for (const box of document.querySelectorAll("#toasts .toast")) {
  if (box.dataset.undo) offerUndo(box, box.dataset.undo);
  else dismissLater(box, box.dataset.tone);
}
document.addEventListener("corral:toast", ({ detail }) => toast(detail.text, detail.tone, detail.undo));
