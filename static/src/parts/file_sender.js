// Files that are larger than a form may be: sent as the body of a request of their own, with their progress.
import { refusalText, setBusy } from "./requests.js";
import { toast } from "./toasts.js";

function eventsOf(trigger) {
  try {
    return Object.entries(JSON.parse(trigger ?? "{}"));
  } catch {
    return [];
  }
}

function finish(request) {
  const target = request.getResponseHeader("HX-Redirect");
  if (target) return location.assign(target);
  const trigger = request.getResponseHeader("HX-Trigger");
  if (!(request.status >= 200 && request.status < 300)) return toast(refusalText(request.status, trigger), "bad");
  for (const [name, detail] of eventsOf(trigger)) {
    if (name === "corral:toast") toast(detail.text, detail.tone, detail.undo);
    else document.dispatchEvent(new CustomEvent(name, { detail }));
  }
  return document.dispatchEvent(new CustomEvent("corral:changed"));
}

// The other fields go along in the query: they are names and numbers, never secrets.
function addressOf(form, field) {
  const others = new URLSearchParams();
  for (const each of form.elements) {
    if (each.matches("select, input[type=hidden][data-along]") && each.name) others.set(each.name, each.value);
  }
  return `${field.dataset.sendFile}?${others}`;
}

function send(form, field) {
  const button = form.querySelector("[type=submit]");
  const meter = form.querySelector("progress");
  const request = new XMLHttpRequest();
  if (meter) meter.hidden = false;
  setBusy(button, true);
  request.upload.addEventListener("progress", ({ loaded, total }) => {
    if (meter && total) meter.value = (100 * loaded) / total;
  });
  request.addEventListener("loadend", () => {
    setBusy(button, false);
    if (meter) meter.hidden = true;
    if (request.status) finish(request);
    else toast(document.body.dataset.unreachable, "bad");
  });
  request.open("POST", addressOf(form, field));
  request.setRequestHeader("HX-Request", "true");
  request.setRequestHeader("X-CSRFToken", document.querySelector('meta[name="csrf-token"]').content);
  request.setRequestHeader("Content-Type", "application/x-tar");
  request.send(field.files[0]);
}

document.addEventListener("submit", (event) => {
  const field = event.target.querySelector?.("[data-send-file]");
  if (!field?.files.length) return;
  event.preventDefault();
  event.stopPropagation();
  if (event.target.querySelector("[type=submit].is-busy")) return;
  send(event.target, field);
}, true);
