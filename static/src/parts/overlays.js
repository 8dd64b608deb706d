// Menus and dialogs: filled from the server when they open, outside the region that refreshes.
import htmx from "htmx.org";
import { toast } from "./toasts.js";

const menu = document.getElementById("menu");
const dialog = document.getElementById("dialog");
const body = document.getElementById("dialog-body");
let opener = null;

async function fragment(url) {
  const response = await fetch(url, { headers: { "HX-Request": "true" } });
  const target = response.headers.get("HX-Redirect");
  if (target) location.assign(target);
  if (!response.ok) throw new Error(await response.text());
  return response.text();
}

function fill(box, text) {
  box.innerHTML = text;
  htmx.process(box);
}

function place(button) {
  const at = button.getBoundingClientRect();
  const size = menu.getBoundingClientRect();
  const left = Math.max(8, Math.min(at.right - size.width, innerWidth - size.width - 8));
  const below = at.bottom + 4 + size.height < innerHeight;
  menu.style.left = `${left}px`;
  menu.style.top = `${below ? at.bottom + 4 : Math.max(8, at.top - size.height - 4)}px`;
}

async function openMenu(button) {
  if (menu.matches(":popover-open") && opener === button) return menu.hidePopover();
  opener = button;
  try {
    const source = button.dataset.menuOf;
    fill(menu, source ? document.getElementById(source).innerHTML : await fragment(button.dataset.menu));
  } catch (error) {
    return toast(error.message, "bad");
  }
  menu.showPopover();
  place(button);
  menu.querySelector(".item")?.focus({ preventScroll: true });
  return undefined;
}

async function openDialog(url) {
  try {
    fill(body, await fragment(url));
  } catch (error) {
    return toast(error.message, "bad");
  }
  if (menu.matches(":popover-open")) menu.hidePopover();
  if (!dialog.open) dialog.showModal();
  (body.querySelector("[autofocus], input:not([type=hidden]), select, textarea") ?? dialog).focus();
  return undefined;
}

// A form is done with: its dialog closes; where it is a page of its own, back to where the visitor came from.
function leave() {
  if (dialog.open) dialog.close();
  else if (document.referrer.startsWith(location.origin)) history.back();
  else location.assign("/");
}

document.addEventListener("click", (event) => {
  const grey = event.target.closest('[aria-disabled="true"]');
  if (grey) {
    event.preventDefault();
    event.stopImmediatePropagation();
    if (grey.title) toast(grey.title, "warn");
    return;
  }
  const plain = event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey;
  const button = event.target.closest("[data-menu], [data-menu-of]");
  const link = event.target.closest("a[data-dialog]");
  if (button) {
    event.preventDefault();
    openMenu(button);
  } else if (link && plain) {
    event.preventDefault();
    openDialog(link.href);
  } else if (event.target.closest("[data-shut]")) {
    event.target.closest("dialog").close();
  } else if (event.target.closest("[data-close]") || event.target === dialog) {
    if (!dialog.open && event.target.closest("a")) return;
    event.preventDefault();
    leave();
  } else if (event.target.closest("#menu .item") && !event.target.closest("#menu form .item[type=submit]")) {
    menu.hidePopover();
  }
}, true);

menu?.addEventListener("keydown", (event) => {
  if (!["ArrowDown", "ArrowUp"].includes(event.key)) return;
  const items = [...menu.querySelectorAll(".item")];
  const step = event.key === "ArrowDown" ? 1 : -1;
  items[(items.indexOf(document.activeElement) + step + items.length) % items.length]?.focus();
  event.preventDefault();
});
menu?.addEventListener("toggle", (event) => event.newState === "closed" && opener?.focus({ preventScroll: true }));

document.addEventListener("corral:done", () => (dialog?.open || document.querySelector("main > .lone form")) && leave());
dialog?.addEventListener("close", () => (body.innerHTML = ""));
