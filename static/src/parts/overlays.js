// Menus and dialogs: loaded when they open, outside the region that is refreshed.
import htmx from "htmx.org";
import { toast } from "./toasts.js";

const menu = document.getElementById("menu");
const dialog = document.getElementById("dialog");
const body = document.getElementById("dialog-body");
let opener = null;

async function fetchFragment(url) {
  const response = await fetch(url, { headers: { "HX-Request": "true" } });
  const target = response.headers.get("HX-Redirect");
  if (target) location.assign(target);
  if (!response.ok) throw new Error(await response.text());
  return response.text();
}

function fill(box, html) {
  box.innerHTML = html;
  htmx.process(box);
}

function placeMenu(button) {
  const anchor = button.getBoundingClientRect();
  const size = menu.getBoundingClientRect();
  const left = Math.max(8, Math.min(anchor.right - size.width, innerWidth - size.width - 8));
  const fitsBelow = anchor.bottom + 4 + size.height < innerHeight;
  menu.style.left = `${left}px`;
  menu.style.top = `${fitsBelow ? anchor.bottom + 4 : Math.max(8, anchor.top - size.height - 4)}px`;
}

async function openMenu(button) {
  if (menu.matches(":popover-open") && opener === button) return menu.hidePopover();
  opener = button;
  try {
    const source = button.dataset.menuOf;
    fill(menu, source ? document.getElementById(source).innerHTML : await fetchFragment(button.dataset.menu));
  } catch (error) {
    return toast(error.message, "bad");
  }
  menu.showPopover();
  menu.setAttribute("aria-label", button.title || button.textContent.trim());
  button.setAttribute("aria-expanded", "true");
  placeMenu(button);
  menu.querySelector(".item")?.focus({ preventScroll: true });
  return undefined;
}

async function openDialog(url) {
  try {
    fill(body, await fetchFragment(url));
  } catch (error) {
    return toast(error.message, "bad");
  }
  if (menu.matches(":popover-open")) menu.hidePopover();
  if (!dialog.open) dialog.showModal();
  (body.querySelector("[autofocus], input:not([type=hidden]), select, textarea") ?? dialog).focus();
  return undefined;
}

// Closes the dialog; a form that is a page of its own goes back to the page before.
function closeForm() {
  if (dialog.open) dialog.close();
  else if (document.referrer.startsWith(location.origin)) history.back();
  else location.assign("/");
}

document.addEventListener("click", (event) => {
  const disabled = event.target.closest('[aria-disabled="true"]');
  if (disabled) {
    event.preventDefault();
    event.stopImmediatePropagation();
    if (disabled.title) toast(disabled.title, "warn");
    return;
  }
  const isPlainClick = event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey;
  const button = event.target.closest("[data-menu], [data-menu-of]");
  const link = event.target.closest("a[data-dialog]");
  if (button) {
    event.preventDefault();
    openMenu(button);
  } else if (link && isPlainClick) {
    event.preventDefault();
    openDialog(link.href);
  } else if (event.target.closest("[data-shut]")) {
    event.target.closest("dialog").close();
  } else if (event.target.closest("[data-close]") || event.target === dialog) {
    if (!dialog.open && event.target.closest("a")) return;
    event.preventDefault();
    closeForm();
  } else if (event.target.closest("#menu .item") && !event.target.closest("#menu form .item[type=submit]")) {
    menu.hidePopover();
  }
}, true);

menu?.addEventListener("keydown", (event) => {
  const items = [...menu.querySelectorAll(".item")];
  const at = items.indexOf(document.activeElement);
  const goal = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: -1 }[event.key];
  if (goal === undefined) return;
  items.at(goal % items.length)?.focus();
  event.preventDefault();
});
menu?.addEventListener("toggle", (event) => {
  if (event.newState !== "closed") return;
  opener?.setAttribute("aria-expanded", "false");
  opener?.focus({ preventScroll: true });
});

document.addEventListener("corral:done", () => (dialog?.open || document.querySelector("main > .lone form")) && closeForm());
dialog?.addEventListener("close", () => (body.innerHTML = ""));
