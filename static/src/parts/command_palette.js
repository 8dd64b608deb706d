// The command palette (`/` or Ctrl-K) and the keyboard shortcuts (`g s`, `n`, `f`, `?`).
const palette = document.getElementById("palette");
const input = palette?.querySelector("input");
const list = palette?.querySelector(".hits");
let searchCount = 0;
let timer = 0;

function results() {
  return [...list.querySelectorAll(".hit")];
}

function select(index) {
  const all = results();
  all.forEach((hit, at) => hit.setAttribute("aria-selected", String(at === index)));
  all[index]?.scrollIntoView({ block: "nearest" });
}

function selectedIndex() {
  return results().findIndex((hit) => hit.getAttribute("aria-selected") === "true");
}

async function loadResults() {
  const search = ++searchCount;
  const url = new URL(palette.dataset.url, location.href);
  url.searchParams.set("q", input.value);
  const response = await fetch(url, { headers: { "HX-Request": "true" } });
  if (search !== searchCount || !response.ok) return;
  list.innerHTML = await response.text();
  select(0);
}

export function openPalette() {
  if (!palette?.dataset.url || palette.open) return;
  input.value = "";
  palette.showModal();
  loadResults();
}

input?.addEventListener("input", () => {
  clearTimeout(timer);
  timer = setTimeout(loadResults, 90);
});
palette?.addEventListener("keydown", (event) => {
  const count = results().length;
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    select((selectedIndex() + (event.key === "ArrowDown" ? 1 : -1) + count) % Math.max(count, 1));
    event.preventDefault();
  } else if (event.key === "Enter") {
    results()[selectedIndex()]?.click();
    event.preventDefault();
  }
});
palette?.addEventListener("click", (event) => event.target === palette && palette.close());
document.addEventListener("click", (event) => event.target.closest("[data-palette]") && openPalette());

let previousKey = "";
document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
    event.preventDefault();
    openPalette();
    return;
  }
  const isTyping = event.target.closest?.("input, textarea, select, [contenteditable], .xterm, dialog[open]");
  if (isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "/") {
    event.preventDefault();
    openPalette();
  } else if (event.key === "?") {
    document.getElementById("keys")?.showModal();
  } else if (previousKey === "g") {
    document.querySelector(`[data-jump="${CSS.escape(event.key)}"]`)?.click();
  } else if (event.key === "n") {
    // Of several things that can be added the page's main one.
    document.querySelector("[data-new].is-primary:not([aria-disabled=true])")?.click();
  } else if (event.key === "f") {
    const filter = document.querySelector("main .search input");
    if (filter) {
      event.preventDefault();
      filter.focus();
      filter.select();
    }
  }
  previousKey = event.key === "g" ? "g" : "";
});
