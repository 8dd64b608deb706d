// Configures htmx: the CSRF header of requests, error toasts, and a morph that keeps the visitor's input.
import htmx from "htmx.org";
import { isRefreshing } from "./morph.js";
import { toast } from "./toasts.js";

htmx.config.includeIndicatorCSS = false;
htmx.config.history = false;

document.addEventListener("htmx:config:request", (event) => {
  const { request } = event.detail.ctx;
  if (request.method !== "GET") {
    request.headers["X-CSRFToken"] = document.querySelector('meta[name="csrf-token"]')?.content ?? "";
  }
});
document.addEventListener("htmx:error", (event) => {
  if (event.detail.error?.name !== "AbortError" && event.detail.ctx?.sourceEvent?.type !== "load") toast(document.body.dataset.unreachable, "bad");
});

// Focuses the first field with an error in a form that was refused.
document.addEventListener("htmx:after:swap", (event) => {
  if (![412, 422].includes(event.detail.ctx.response?.status)) return;
  const invalidField = document.querySelector(".conflict input, .field:has(.wrong) :is(input, textarea, select)");
  invalidField?.focus();
});

function isChanged(field) {
  if (field.matches("[type=checkbox], [type=radio]")) return field.checked !== field.defaultChecked;
  if (field instanceof HTMLSelectElement) return [...field.options].some((option) => option.selected !== option.defaultSelected);
  return field.value !== field.defaultValue;
}

// What was typed and not sent yet; then also what the form started from stays, or a conflict would go unnoticed.
function isUnsent(node) {
  if (!node.matches?.("form[method=post] :is(input, textarea, select)")) return false;
  if (node.name === "based_on") return [...node.form.elements].some((each) => each.name !== "based_on" && each.matches("input, textarea, select") && isChanged(each));
  return node.type !== "hidden" && isChanged(node);
}

// A refresh keeps what the visitor has opened and typed; the answer to a form that was sent replaces it.
htmx.registerExtension("steady", {
  htmx_before_morph_node: (node, { newNode }) => {
    const isBeingTyped = node === document.activeElement && node.matches?.("input, textarea, select");
    if (isBeingTyped || node.matches?.("[data-keep]") || (isRefreshing() && isUnsent(node))) return false;
    if (node instanceof HTMLDetailsElement && newNode instanceof HTMLDetailsElement) newNode.open = node.open;
    return true;
  },
});
