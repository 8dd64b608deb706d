// Questions before something that cannot be taken back: the focus is on the button that does nothing.
const dialog = document.getElementById("ask");
const words = dialog?.querySelector("[data-words]");
const confirmButton = dialog?.querySelector("[value=yes]");

// Resolves to whether it was confirmed; Esc and the click beside are a no.
export function ask(text, label, keepLabel = "") {
  if (!dialog) return Promise.resolve(window.confirm(text));
  words.textContent = text;
  confirmButton.textContent = label || confirmButton.dataset.label;
  const cancelButton = dialog.querySelector("[value=no]");
  cancelButton.textContent = keepLabel || cancelButton.dataset.label;
  dialog.returnValue = "no";
  dialog.showModal();
  cancelButton.focus();
  return new Promise((resolve) => {
    dialog.addEventListener("close", function onClose() {
      if (dialog.open) return; // the event of the question before, which comes late
      dialog.removeEventListener("close", onClose);
      resolve(dialog.returnValue === "yes");
    });
  });
}

dialog?.addEventListener("click", (event) => event.target === dialog && dialog.close("no"));

// htmx looks for `hx-confirm` at the form that is sent, not at the button that sends it.
document.addEventListener("htmx:config:request", ({ detail: { ctx } }) => {
  ctx.confirm ??= ctx.sourceEvent?.submitter?.getAttribute("hx-confirm");
});
document.addEventListener("htmx:confirm", (event) => {
  event.preventDefault();
  const { ctx, issueRequest, dropRequest } = event.detail;
  const button = ctx.sourceEvent?.submitter ?? ctx.sourceElement;
  const label = button.querySelector?.("span")?.textContent.trim() ?? "";
  ask(ctx.confirm, label).then((isSure) => (isSure ? issueRequest() : dropRequest()));
});
