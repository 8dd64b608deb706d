// What every htmx request carries, and how a page is patched without disturbing who works in it.
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

// A form that came back with a refusal: to the field that is wrong.
document.addEventListener("htmx:after:swap", (event) => {
  if (event.detail.ctx.response?.status !== 422) return;
  const wrong = document.querySelector(".field:has(.wrong) :is(input, textarea, select)");
  wrong?.focus();
});

// A refresh leaves alone what the visitor opened and typed.
htmx.registerExtension("steady", {
  htmx_before_morph_node: (node, { newNode }) => {
    const typed = node === document.activeElement && node.matches?.("input, textarea, select");
    if (typed || node.matches?.("[data-keep]")) return false;
    if (node instanceof HTMLDetailsElement && newNode instanceof HTMLDetailsElement) newNode.open = node.open;
    return true;
  },
});
