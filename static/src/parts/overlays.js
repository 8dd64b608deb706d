// Menus and dialogs: open at once, filled when their content is there, outside the region that is refreshed.
import htmx from "htmx.org";
import { ask } from "./ask.js";
import { forgetDraft, formState, restoreDraft } from "./drafts.js";
import { refusalText, setBusy } from "./requests.js";
import { toast } from "./toasts.js";

const SKELETON_DELAY = 70;
const menu = document.getElementById("menu");
const dialog = document.getElementById("dialog");
const body = document.getElementById("dialog-body");
let opener = null;
let visit = 0;
let untouched = "";
let pressedOn = null;

async function fetchFragment(url) {
  const response = await fetch(url, { headers: { "HX-Request": "true" } }).catch(() => null);
  if (!response) throw new Error(document.body.dataset.unreachable);
  const target = response.headers.get("HX-Redirect");
  if (target) {
    location.assign(target);
    return null;
  }
  if (!response.ok) throw new Error(refusalText(response.status, response.headers.get("HX-Trigger")));
  return response.text();
}

function fill(box, content) {
  box.removeAttribute("aria-busy");
  if (typeof content === "string") box.innerHTML = content;
  else box.replaceChildren(content);
  htmx.process(box);
}

function showSkeleton(box, lines) {
  box.setAttribute("aria-busy", "true");
  box.innerHTML = `<div class="skeleton">${"<i></i>".repeat(lines)}</div>`;
}

function placeMenu(button) {
  const anchor = button.getBoundingClientRect();
  const size = menu.getBoundingClientRect();
  const left = Math.max(8, Math.min(anchor.right - size.width, innerWidth - size.width - 8));
  const fitsBelow = anchor.bottom + 4 + size.height < innerHeight;
  menu.style.left = `${left}px`;
  menu.style.top = `${fitsBelow ? anchor.bottom + 4 : Math.max(8, anchor.top - size.height - 4)}px`;
}

function asMenuItem(button) {
  const item = button.cloneNode(true);
  item.className = button.dataset.action === "remove" && button.ariaDisabled !== "true" ? "item is-danger" : "item";
  item.setAttribute("role", "menuitem");
  return item;
}

// The actions for which there is no room beside the button; what deletes comes last, and the items of a menu in its place.
function hiddenActions(button) {
  const form = document.createElement("form");
  form.method = "post";
  form.setAttribute("role", "none");
  form.append(button.form.querySelector("[name=csrfmiddlewaretoken]").cloneNode());
  const hidden = [...button.form.querySelectorAll(":scope > .btn")].filter((each) => each !== button && getComputedStyle(each).display === "none");
  const last = hidden.filter((each) => each.dataset.action === "remove");
  for (const each of hidden) {
    if (each.dataset.menuOf) form.append(document.getElementById(each.dataset.menuOf).content.cloneNode(true));
    else if (!last.includes(each)) form.append(asMenuItem(each));
  }
  if (last.length) form.append(document.createElement("hr"), ...last.map(asMenuItem));
  return form;
}

async function openMenu(button) {
  if (menu.matches(":popover-open") && opener === button) return menu.hidePopover();
  opener = button;
  const own = ++visit;
  const source = button.dataset.menuOf;
  const isRest = button.matches("[data-menu-rest]");
  if (isRest) fill(menu, hiddenActions(button));
  else if (source) fill(menu, document.getElementById(source).innerHTML);
  else showSkeleton(menu, 5);
  menu.showPopover();
  menu.setAttribute("aria-label", button.title || button.textContent.trim());
  button.setAttribute("aria-expanded", "true");
  placeMenu(button);
  try {
    const html = source || isRest ? null : await fetchFragment(button.dataset.menu);
    if (own !== visit) return undefined;
    if (html !== null) fill(menu, html);
  } catch (error) {
    if (own === visit) menu.hidePopover();
    return toast(error.message, "bad");
  }
  placeMenu(button);
  menu.querySelector(".item")?.focus({ preventScroll: true });
  return undefined;
}

function dialogForm() {
  return body.querySelector("form[method=post]");
}

export async function openDialog(url, button = null) {
  const own = ++visit;
  setBusy(button, true);
  const slow = setTimeout(() => {
    showSkeleton(body, 6);
    if (!dialog.open) dialog.showModal();
  }, SKELETON_DELAY);
  try {
    const html = await fetchFragment(url);
    if (own === visit && html !== null) showDialog(html, url);
  } catch (error) {
    if (own === visit && dialog.open) dialog.close();
    toast(error.message, "bad");
  } finally {
    clearTimeout(slow);
    setBusy(button, false);
  }
}

document.addEventListener("corral:dialog", ({ detail }) => openDialog(detail.url));

function showDialog(html, url) {
  fill(body, html);
  if (menu.matches(":popover-open")) menu.hidePopover();
  if (!dialog.open) dialog.showModal();
  dialog.classList.toggle("is-held", Boolean(body.querySelector("[data-held]")));
  const form = dialogForm();
  untouched = form ? formState(form) : "";
  if (form?.matches("[data-draft]")) {
    form.dataset.url = url;
    restoreDraft(form);
  }
  (body.querySelector("[autofocus]") ?? body.querySelector("input:not([type=hidden]), select, textarea") ?? dialog).focus();
}

// Closes the dialog; a form that is a page of its own goes back to the page before.
function closeForm() {
  visit += 1;
  if (dialog.open) dialog.close();
  else if (document.referrer.startsWith(location.origin)) history.back();
  else location.assign("/");
}

// What was typed is given up only on request, and a secret that is shown once only by its own button.
async function requestClose() {
  const held = dialog.open && body.querySelector("[data-held]");
  if (held) return toast(held.dataset.held, "warn");
  const form = dialog.open ? dialogForm() : document.querySelector("main > .lone form[data-draft]");
  const words = document.body.dataset;
  if (dialog.open && form && formState(form) !== untouched && !(await ask(words.discard, words.discardYes, words.discardNo))) return undefined;
  if (form?.matches("[data-draft]")) forgetDraft(form);
  return closeForm();
}

document.addEventListener("pointerdown", (event) => (pressedOn = event.target), true);
document.addEventListener("click", (event) => {
  const disabled = event.target.closest('[aria-disabled="true"]');
  if (disabled) {
    event.preventDefault();
    event.stopImmediatePropagation();
    if (disabled.title) toast(disabled.title, "warn");
    return;
  }
  const isPlainClick = event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey;
  const button = event.target.closest("[data-menu], [data-menu-of], [data-menu-rest]");
  const link = event.target.closest("a[data-dialog]");
  const chosen = event.target.closest("button[data-dialog]"); // a dialog about the rows that are ticked
  // A text that is selected beyond the edge of the dialog is no click beside it.
  const isBeside = event.target === dialog && pressedOn === dialog;
  if (button) {
    event.preventDefault();
    openMenu(button);
  } else if (link && isPlainClick) {
    event.preventDefault();
    openDialog(link.href, link);
  } else if (chosen) {
    event.preventDefault();
    openDialog(`${chosen.form.action}?${new URLSearchParams(new FormData(chosen.form))}`, chosen);
  } else if (event.target.closest("[data-shut]")) {
    event.target.closest("dialog").close();
  } else if (event.target.closest("[data-close]") || isBeside) {
    if (!dialog.open && event.target.closest("a")) return;
    event.preventDefault();
    requestClose();
  } else if (event.target.closest("#menu .item") && !event.target.closest("#menu form .item[type=submit]")) {
    menu.hidePopover();
  }
}, true);

// The browser's own closing by Esc cannot be asked about: it comes too late for that.
dialog?.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || event.target.closest("#ask")) return;
  event.preventDefault();
  requestClose();
});
dialog?.addEventListener("cancel", (event) => {
  if (event.target !== dialog) return;
  event.preventDefault();
  requestClose();
});

// A letter goes to the next item that begins with it.
function itemByLetter(items, at, key) {
  if (key.length !== 1 || key === " ") return undefined;
  const following = [...items.slice(at + 1), ...items.slice(0, at + 1)];
  return following.find((each) => each.textContent.trim().toLowerCase().startsWith(key.toLowerCase()));
}

menu?.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const items = [...menu.querySelectorAll(".item")];
  const at = items.indexOf(document.activeElement);
  const goal = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: -1 }[event.key];
  const item = goal === undefined ? itemByLetter(items, at, event.key) : items.at(goal % items.length);
  if (event.key === "Tab") menu.hidePopover(); // back to its button, from where the next Tab goes on
  else if (item) item.focus();
  else return;
  event.preventDefault();
  event.stopPropagation(); // letters are shortcuts elsewhere
});
document.addEventListener("keydown", (event) => {
  const button = event.key === "ArrowDown" && event.target.closest?.("[data-menu], [data-menu-of], [data-menu-rest]");
  if (!button || menu.contains(button)) return;
  event.preventDefault();
  openMenu(button);
});
menu?.addEventListener("toggle", (event) => {
  if (event.newState !== "closed") return;
  opener?.setAttribute("aria-expanded", "false");
  opener?.focus({ preventScroll: true });
});

// An action of a menu has been requested, or refused with a message: the menu has done its part.
document.addEventListener("htmx:finally:request", ({ detail: { ctx } }) => {
  if (menu?.contains(ctx.sourceElement) && menu.matches(":popover-open")) menu.hidePopover();
});

// The button of a dialog that wants a name typed first.
document.addEventListener("input", (event) => {
  const wanted = event.target.dataset?.confirmName;
  if (wanted === undefined) return;
  const button = event.target.form.querySelector("[type=submit]");
  if (event.target.value.trim() === wanted) button.removeAttribute("aria-disabled");
  else button.setAttribute("aria-disabled", "true");
});

document.addEventListener("corral:done", () => (dialog?.open || document.querySelector("main > .lone form")) && closeForm());
dialog?.addEventListener("close", () => {
  body.innerHTML = "";
  dialog.classList.remove("is-held");
});
