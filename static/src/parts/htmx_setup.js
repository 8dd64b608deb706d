// Configures htmx: the CSRF header of requests, error toasts, and a morph that keeps the visitor's input.
import htmx from "htmx.org";
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
  if (event.detail.error?.name !== "AbortError") toast(document.body.dataset.unreachable, "bad");
});

// Focuses the first field with an error in a form that was refused.
document.addEventListener("htmx:after:swap", (event) => {
  if (event.detail.ctx.response?.status !== 422) return;
  const invalidField = document.querySelector(".field:has(.wrong) :is(input, textarea, select)");
  invalidField?.focus();
});

// A refresh keeps what the visitor has opened and typed.
htmx.registerExtension("steady", {
  htmx_before_morph_node: (node, { newNode }) => {
    const isBeingTyped = node === document.activeElement && node.matches?.("input, textarea, select");
    if (isBeingTyped || node.matches?.("[data-keep]")) return false;
    if (node instanceof HTMLDetailsElement && newNode instanceof HTMLDetailsElement) newNode.open = node.open;
    return true;
  },
});
