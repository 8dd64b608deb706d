// Short words at the corner: what was asked, what was refused.
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
  const words = document.createElement("span");
  words.textContent = text;
  box.append(icon(ICONS[tone] ?? "info-circle"), words);
  const host = document.getElementById("toasts");
  host.append(box);
  while (host.children.length > 4) host.firstElementChild.remove();
  fade(box, tone);
}

function fade(box, tone) {
  let timer = setTimeout(() => box.remove(), tone === "bad" ? 9000 : 3500);
  box.addEventListener("click", () => box.remove());
  box.addEventListener("mouseenter", () => clearTimeout(timer));
  box.addEventListener("mouseleave", () => (timer = setTimeout(() => box.remove(), 1500)));
}

for (const box of document.querySelectorAll("#toasts .toast")) fade(box, box.dataset.tone);
document.addEventListener("corral:toast", (event) => toast(event.detail.text, event.detail.tone));
