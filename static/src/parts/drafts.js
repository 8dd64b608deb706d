// What was typed into a form outlives the page, in this tab and for this account: a session that ended elsewhere, a
// wrong click, a reload. Secrets are never kept, files cannot be.
import { toast } from "./toasts.js";

const PREFIX = "corral-draft";
const SAVE_DELAY = 250;
const MAX_LENGTH = 400_000;
const NEVER = "[type=password], [type=hidden], [type=file], [autocomplete=one-time-code], [data-secret], [data-secret] *";
const account = document.body.dataset.account ?? "";
const timers = new Map();

function keyOf(form) {
  return `${PREFIX}:${account}:${new URL(form.action, location.href).pathname}`;
}

function draftForm(node) {
  return node.closest?.("form[method=post][data-draft]");
}

function keptFields(form) {
  return [...form.elements].filter((field) => field.name && !field.matches(NEVER) && !field.matches("button, fieldset, output"));
}

function valueOf(field) {
  if (field.type === "checkbox" || field.type === "radio") return field.checked ? `on:${field.value}` : "off";
  return field.value;
}

export function formState(form) {
  return JSON.stringify(keptFields(form).map((field) => [field.name, valueOf(field)]));
}

function store(form) {
  if (!account) return;
  try {
    const text = JSON.stringify({ page: location.pathname + location.search, isDialog: Boolean(form.closest("dialog")), url: form.dataset.url ?? form.action, fields: JSON.parse(formState(form)) });
    if (text.length <= MAX_LENGTH) sessionStorage.setItem(keyOf(form), text);
  } catch {
    // No storage, or none left: then there is no draft.
  }
}

export function forgetDraft(form) {
  clearTimeout(timers.get(form));
  try {
    sessionStorage.removeItem(keyOf(form));
  } catch {
    // As above.
  }
}

function read(key) {
  try {
    return JSON.parse(sessionStorage.getItem(key) ?? "null");
  } catch {
    return null;
  }
}

function allDrafts() {
  try {
    return Object.keys(sessionStorage).filter((key) => key.startsWith(`${PREFIX}:`));
  } catch {
    return [];
  }
}

// Fields of one name are told apart by their order; rows that were added by hand are made anew first.
function fill(form, fields) {
  const count = (name) => fields.filter(([each]) => each === name).length;
  for (const table of form.querySelectorAll(".rows[id]")) {
    const name = table.querySelector("template")?.content.querySelector("[name]")?.name;
    const adder = form.querySelector(`[data-add-row="${table.id}"]`);
    while (name && adder && keptFields(form).filter((field) => field.name === name).length < count(name)) adder.click();
  }
  const waiting = new Map();
  for (const [name, value] of fields) waiting.set(name, [...(waiting.get(name) ?? []), value]);
  for (const field of keptFields(form)) {
    const value = waiting.get(field.name)?.shift();
    if (value === undefined) continue;
    if (field.type === "checkbox" || field.type === "radio") field.checked = value !== "off";
    else field.value = value;
    field.dispatchEvent(new Event("change", { bubbles: true }));
  }
  form.dispatchEvent(new Event("input", { bubbles: true }));
}

// Puts a draft back into a form that was just loaded; true when there was one that says something else.
export function restoreDraft(form) {
  const draft = read(keyOf(form));
  const before = formState(form);
  if (!draft || JSON.stringify(draft.fields) === before) return false;
  fill(form, draft.fields);
  const words = document.body.dataset;
  toast(form.querySelector("[type=password], [data-secret], [type=file]") ? words.restoredBut : words.restored, "good");
  return true;
}

document.addEventListener("input", (event) => {
  const form = draftForm(event.target);
  if (!form || event.target.matches(NEVER)) return;
  clearTimeout(timers.get(form));
  timers.set(form, setTimeout(() => store(form), SAVE_DELAY));
});
document.addEventListener("htmx:before:request", ({ detail: { ctx } }) => {
  const form = draftForm(ctx.sourceElement);
  if (form && ctx.sourceElement === form) store(form);
});
// Saved: nothing is left to remember. A way to the log-in or to the password is none of that.
document.addEventListener("htmx:after:request", ({ detail: { ctx } }) => {
  const form = draftForm(ctx.sourceElement);
  if (form && ctx.sourceElement === form && ctx.response?.status < 300) forgetDraft(form);
});
document.addEventListener("click", (event) => {
  const cancel = event.target.closest?.("form[data-draft] .ends-form a.btn:not([data-close])");
  if (cancel) forgetDraft(cancel.closest("form"));
});
document.addEventListener("submit", (event) => event.target.matches?.("[data-logout]") && allDrafts().forEach((key) => sessionStorage.removeItem(key)));

export function startDrafts(openDialog) {
  if (!account) return;
  for (const key of allDrafts()) if (!key.startsWith(`${PREFIX}:${account}:`)) sessionStorage.removeItem(key);
  for (const form of document.querySelectorAll("main form[data-draft]")) restoreDraft(form);
  const here = location.pathname + location.search;
  const open = allDrafts().map(read).find((draft) => draft?.isDialog && draft.page === here);
  if (open) openDialog(open.url);
}
