// Forms: adding and removing rows, filters that apply while typed, select-all, fields that depend on others.
import { morphMain } from "./morph.js";
import { refusalText, setBusy } from "./requests.js";
import { toast } from "./toasts.js";

function addRow(table) {
  const row = table.querySelector("template").content.cloneNode(true);
  table.append(row);
  table.lastElementChild.querySelector("input, select")?.focus();
}

document.addEventListener("click", (event) => {
  const addButton = event.target.closest("[data-add-row]");
  const removeButton = event.target.closest("[data-take-row]");
  if (addButton) addRow(document.getElementById(addButton.dataset.addRow));
  if (removeButton) {
    const form = removeButton.form;
    removeButton.parentElement.remove();
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
    const [, published, target, protocol] = line.match(/^(\d*):(\d+)(?:\/(\w+))?$/);
    addRow(table);
    const [a, b, c] = table.lastElementChild.querySelectorAll("input, select");
    [a.value, b.value, c.value] = [published, target, protocol ?? "tcp"];
  }
  table.dispatchEvent(new Event("input", { bubbles: true }));
});

// A `data-submit` field submits its form on change; Enter triggers that change instead of a second submit.
document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !event.target.matches("input[data-submit]")) return;
  event.preventDefault();
  event.target.blur();
});

// What such a field showed when it was entered goes along, so that somebody else's change meanwhile is recognised.
document.addEventListener("focusin", (event) => {
  if (!event.target.matches("[data-submit]") || !event.target.form) return;
  event.target.dataset.seen = event.target.value;
});

document.addEventListener("change", (event) => {
  if (event.target.matches("[data-tick-all]")) {
    for (const box of event.target.form.querySelectorAll('input[name="row"]')) box.checked = event.target.checked;
  }
  if (event.target.matches("[data-submit]")) submitChange(event.target);
  const switching = event.target.closest("[data-switches]");
  if (switching) showDependentFields(switching);
  if (event.target.type === "file") readFile(event.target);
  showSelectedCount();
});

function submitChange(field) {
  const seen = field.form.elements.namedItem("seen");
  if (seen && field.dataset.seen !== undefined) seen.value = field.dataset.seen;
  field.dataset.seen = field.value;
  field.form.requestSubmit();
}

function showDependentFields(select) {
  for (const field of select.form.querySelectorAll(`[data-when-${select.name}]`)) {
    field.hidden = !field.getAttribute(`data-when-${select.name}`).split(" ").includes(select.value);
  }
}

// The content of a chosen file is put into the text area beside it, so that it is checked at once.
async function readFile(field) {
  const target = field.form.elements[field.dataset.into];
  const file = field.files[0];
  if (!target || !file || file.size > 1_048_576) return;
  target.value = await file.text();
  field.value = "";
  target.dispatchEvent(new Event("input", { bubbles: true }));
}

function showSelectedCount() {
  for (const node of document.querySelectorAll("[data-picked]")) {
    node.textContent = node.closest("form").querySelectorAll('input[name="row"]:checked').length;
  }
}
// Saved: what stands in the fields is what is there, and the next refresh may replace it. Refused, or answered with a
// dialog that asks first: nothing is saved, and the fields go back to what is there, as the dialog may be closed again.
document.addEventListener("htmx:finally:request", ({ detail: { ctx } }) => {
  const form = ctx.sourceElement;
  if (!form.matches("form")) return;
  const isAsked = Boolean(ctx.hx?.trigger?.includes("corral:dialog"));
  if ((ctx.response?.status >= 400 || isAsked) && form.querySelector("[data-submit]")) {
    takeBack(form);
    if (!isAsked) document.dispatchEvent(new CustomEvent("corral:changed"));
  }
  if (!(ctx.response?.status < 300) || isAsked) return;
  for (const field of form.elements) {
    if (field.matches("[type=checkbox], [type=radio]")) field.defaultChecked = field.checked;
    else if (field instanceof HTMLSelectElement) for (const option of field.options) option.defaultSelected = option.selected;
    else if (field.matches("input, textarea") && field.type !== "file") field.defaultValue = field.value;
  }
});

function takeBack(form) {
  form.reset();
  for (const field of form.querySelectorAll("[data-seen]")) field.dataset.seen = field.value;
}
document.addEventListener("corral:done", () => {
  for (const box of document.querySelectorAll('input[name="row"], [data-tick-all]')) box.checked = false;
});

// A list filter: the URL changes, the main region is loaded again, focus and caret stay.
let timer = 0;
document.addEventListener("input", (event) => {
  const form = event.target.closest("form[data-filter]");
  if (!form) return;
  clearTimeout(timer);
  timer = setTimeout(() => applyFilter(form), 180);
});

async function applyFilter(form) {
  const url = new URL(form.action);
  for (const [name, value] of new FormData(form)) if (value) url.searchParams.set(name, value);
  history.replaceState(null, "", url);
  setBusy(form, true);
  try {
    const response = await fetch(url, { headers: { "HX-Request": "true" } });
    const target = response.headers.get("HX-Redirect");
    if (location.href !== url.href) return;
    if (target) location.assign(target);
    else if (response.ok) await morphMain(await response.text());
    else toast(refusalText(response.status, response.headers.get("HX-Trigger")), "bad");
  } catch {
    toast(document.body.dataset.unreachable, "bad");
  } finally {
    if (location.href === url.href) setBusy(form, false);
  }
}

// One button opens all folds of a list, or closes them when all are open.
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-fold-all]");
  if (!button) return;
  const folds = [...document.querySelectorAll(button.dataset.foldAll)];
  const isOpening = folds.some((fold) => !fold.open);
  for (const fold of folds) fold.open = isOpening;
});
