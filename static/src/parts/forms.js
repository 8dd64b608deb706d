// Small helps in forms: rows that are added and taken away, filters that apply while typed, ticking all, checking.
import { patch } from "./patch.js";

function addRow(table) {
  const row = table.querySelector("template").content.cloneNode(true);
  table.append(row);
  table.lastElementChild.querySelector("input, select")?.focus();
}

document.addEventListener("click", (event) => {
  const adder = event.target.closest("[data-add-row]");
  const taker = event.target.closest("[data-take-row]");
  if (adder) addRow(document.getElementById(adder.dataset.addRow));
  if (taker) {
    const form = taker.form;
    taker.parentElement.remove();
    form?.dispatchEvent(new Event("input", { bubbles: true }));
  }
});

// Several "8080:80" or "8080:80/udp" lines pasted into the first port field fill the table.
document.addEventListener("paste", (event) => {
  const field = event.target.closest?.('input[name="portPublic"]');
  const lines = event.clipboardData?.getData("text").split(/[\s,]+/).filter((line) => /^\d*:\d+(\/\w+)?$/.test(line)) ?? [];
  if (!field || !lines.length) return;
  event.preventDefault();
  const table = field.closest(".rows");
  field.parentElement.remove();
  for (const line of lines) {
    const [, published, inner, protocol] = line.match(/^(\d*):(\d+)(?:\/(\w+))?$/);
    addRow(table);
    const [a, b, c] = table.lastElementChild.querySelectorAll("input, select");
    [a.value, b.value, c.value] = [published, inner, protocol ?? "tcp"];
  }
  table.dispatchEvent(new Event("input", { bubbles: true }));
});

// Enter in a field that sends itself when it changes is that change, not a second sending.
document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !event.target.matches("input[data-submit]")) return;
  event.preventDefault();
  event.target.blur();
});

document.addEventListener("change", (event) => {
  if (event.target.matches("[data-tick-all]")) {
    for (const box of event.target.form.querySelectorAll('input[name="row"]')) box.checked = event.target.checked;
  }
  if (event.target.matches("[data-submit]")) event.target.form.requestSubmit();
  const shows = event.target.closest("[data-switches]");
  if (shows) switchParts(shows);
  if (event.target.type === "file") readFile(event.target);
  count();
});

function switchParts(select) {
  for (const part of select.form.querySelectorAll(`[data-when-${select.name}]`)) {
    part.hidden = !part.getAttribute(`data-when-${select.name}`).split(" ").includes(select.value);
  }
}

// A chosen file is shown where it could have been pasted, so that it is checked at once.
async function readFile(field) {
  const target = field.form.elements[field.dataset.into];
  const file = field.files[0];
  if (!target || !file || file.size > 1_048_576) return;
  target.value = await file.text();
  field.value = "";
  target.dispatchEvent(new Event("input", { bubbles: true }));
}

function count() {
  for (const node of document.querySelectorAll("[data-picked]")) {
    node.textContent = node.closest("form").querySelectorAll('input[name="row"]:checked').length;
  }
}
document.addEventListener("corral:done", () => {
  for (const box of document.querySelectorAll('input[name="row"], [data-tick-all]')) box.checked = false;
});

// The filter box of a list: the address changes, the region follows, the caret stays.
let timer = 0;
document.addEventListener("input", (event) => {
  const form = event.target.closest("form[data-filter]");
  if (!form) return;
  clearTimeout(timer);
  timer = setTimeout(() => follow(form), 180);
});

async function follow(form) {
  const url = new URL(form.action);
  for (const [name, value] of new FormData(form)) if (value) url.searchParams.set(name, value);
  history.replaceState(null, "", url);
  const response = await fetch(url, { headers: { "HX-Request": "true" } });
  if (!response.ok || location.href !== url.href) return;
  await patch(await response.text());
}
