// Requests of pages: busy at once, sent once, and every refusal said in words.
import { toast } from "./toasts.js";

// These bring the form back, with what is wrong at its fields.
const FORM_STATUSES = new Set([409, 412, 422]);
const STUCK_AFTER = 15_000;
const sent = new WeakSet();

export function toastOf(trigger) {
  try {
    return JSON.parse(trigger ?? "")["corral:toast"]?.text ?? "";
  } catch {
    return "";
  }
}

// Why a request was refused: the portal's own words, or those for the status of whoever answered in its place.
export function refusalText(status, trigger) {
  const words = document.body.dataset;
  return toastOf(trigger) || (words[`status${status}`] ?? (status >= 500 ? words.status500 : words.status400)).replace("%", status);
}

function isPressed({ sourceEvent }) {
  return ["click", "submit"].includes(sourceEvent?.type);
}

function pressedButton({ sourceElement, sourceEvent }) {
  return sourceEvent?.submitter ?? sourceElement.closest("button, a") ?? sourceElement.querySelector("[type=submit]");
}

export function setBusy(node, isBusy) {
  if (!node) return;
  node.classList.toggle("is-busy", isBusy);
  if (isBusy) node.setAttribute("aria-busy", "true");
  else node.removeAttribute("aria-busy");
}

document.addEventListener("htmx:config:request", (event) => {
  const { ctx } = event.detail;
  if (!isPressed(ctx)) return;
  // htmx would queue the second click and send it after the first one was answered.
  if (sent.has(ctx.sourceElement)) event.preventDefault();
  else if (ctx.request.method !== "GET") sent.add(ctx.sourceElement);
});
document.addEventListener("htmx:before:request", ({ detail: { ctx } }) => isPressed(ctx) && setBusy(pressedButton(ctx), true));
document.addEventListener("htmx:finally:request", ({ detail: { ctx } }) => {
  if (ctx.hx?.redirect || ctx.hx?.refresh) return; // until the next page is there
  sent.delete(ctx.sourceElement);
  setBusy(pressedButton(ctx), false);
});

document.addEventListener("htmx:before:response", (event) => {
  const { ctx } = event.detail;
  const { status } = ctx.response;
  if (status < 400 || ctx.hx?.redirect) return;
  const words = toastOf(ctx.hx?.trigger);
  if (!words && FORM_STATUSES.has(status)) return;
  event.preventDefault(); // neither a bare message nor a page of errors belongs into the middle of this page
  if (!words) toast(refusalText(status), "bad");
});

// A page that takes its time: a line at the top says that it is on its way.
function showLeaving(isLeaving) {
  document.documentElement.classList.toggle("is-leaving", isLeaving);
  if (isLeaving) setTimeout(() => showLeaving(false), STUCK_AFTER);
}
document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[href]");
  const isPlain = event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey;
  if (!link || !isPlain || event.defaultPrevented || link.target || link.hasAttribute("download")) return;
  const url = new URL(link.href, location.href);
  if (url.origin === location.origin && url.href.split("#")[0] !== location.href.split("#")[0]) showLeaving(true);
});
document.addEventListener("submit", (event) => !event.defaultPrevented && showLeaving(true));
addEventListener("pageshow", () => {
  showLeaving(false);
  for (const node of document.querySelectorAll(".is-busy")) setBusy(node, false);
});
