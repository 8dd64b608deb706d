// Toasts: short messages at the corner of the page about changes and refusals.
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

export function toast(text, tone = "good") {
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
  dismissLater(box, tone);
}

function dismissLater(box, tone) {
  let timer = setTimeout(() => box.remove(), tone === "bad" ? 9000 : 3500);
  box.addEventListener("click", () => box.remove());
  box.addEventListener("mouseenter", () => clearTimeout(timer));
  box.addEventListener("mouseleave", () => (timer = setTimeout(() => box.remove(), 1500)));
}

for (const box of document.querySelectorAll("#toasts .toast")) dismissLater(box, box.dataset.tone);
document.addEventListener("corral:toast", (event) => toast(event.detail.text, event.detail.tone));
