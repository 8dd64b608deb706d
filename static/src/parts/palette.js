// The command palette (`/` or Ctrl-K), the jumps (`g s`) and the list of keys (`?`).
const palette = document.getElementById("palette");
const input = palette?.querySelector("input");
const list = palette?.querySelector(".hits");
let asked = 0;
let timer = 0;

function items() {
  return [...list.querySelectorAll(".hit")];
}

function mark(index) {
  const all = items();
  all.forEach((hit, at) => hit.setAttribute("aria-selected", String(at === index)));
  all[index]?.scrollIntoView({ block: "nearest" });
}

function marked() {
  return items().findIndex((hit) => hit.getAttribute("aria-selected") === "true");
}

async function search() {
  const turn = ++asked;
  const url = new URL(palette.dataset.url, location.href);
  url.searchParams.set("q", input.value);
  const response = await fetch(url, { headers: { "HX-Request": "true" } });
  if (turn !== asked || !response.ok) return;
  list.innerHTML = await response.text();
  mark(0);
}

export function openPalette() {
  if (!palette?.dataset.url || palette.open) return;
  input.value = "";
  palette.showModal();
  search();
}

input?.addEventListener("input", () => {
  clearTimeout(timer);
  timer = setTimeout(search, 90);
});
palette?.addEventListener("keydown", (event) => {
  const count = items().length;
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    mark((marked() + (event.key === "ArrowDown" ? 1 : -1) + count) % Math.max(count, 1));
    event.preventDefault();
  } else if (event.key === "Enter") {
    items()[marked()]?.click();
    event.preventDefault();
  }
});
palette?.addEventListener("click", (event) => event.target === palette && palette.close());
document.addEventListener("click", (event) => event.target.closest("[data-palette]") && openPalette());

let first = "";
document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
    event.preventDefault();
    openPalette();
    return;
  }
  const typing = event.target.closest?.("input, textarea, select, [contenteditable], .xterm, dialog[open]");
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "/") {
    event.preventDefault();
    openPalette();
  } else if (event.key === "?") {
    document.getElementById("keys")?.showModal();
  } else if (first === "g") {
    document.querySelector(`[data-jump="${CSS.escape(event.key)}"]`)?.click();
  } else if (event.key === "n") {
    document.querySelector("[data-new]:not([aria-disabled=true])")?.click();
  } else if (event.key === "f") {
    const filter = document.querySelector("main .search input");
    if (filter) {
      event.preventDefault();
      filter.focus();
      filter.select();
    }
  }
  first = event.key === "g" ? "g" : "";
});
