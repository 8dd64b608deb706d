// The frame: copying, the theme, the drawer of narrow screens.
import { icon, toast } from "./toasts.js";

async function copy(button) {
  const text = button.dataset.copy ?? document.getElementById(button.dataset.copyOf)?.textContent ?? "";
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = document.createElement("textarea");
    area.value = text;
    (button.closest("dialog") ?? document.body).append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  const picture = button.querySelector(".icon");
  picture?.replaceWith(icon("check"));
  setTimeout(() => button.querySelector(".icon")?.replaceWith(icon("copy")), 1200);
}

async function theme(button) {
  const form = new URLSearchParams({ theme: button.value });
  document.documentElement.dataset.theme = button.value;
  const token = document.querySelector('meta[name="csrf-token"]').content;
  await fetch(button.formAction || "/theme", {
    method: "POST",
    body: form,
    headers: { "HX-Request": "true", "X-CSRFToken": token },
  });
}

document.addEventListener("click", (event) => {
  const copier = event.target.closest("[data-copy], [data-copy-of]");
  const themer = event.target.closest("button[name=theme]");
  if (copier) {
    event.preventDefault();
    copy(copier).catch(() => toast(document.body.dataset.nocopy, "warn"));
  } else if (themer) {
    event.preventDefault();
    theme(themer);
  } else if (event.target.closest("[data-drawer]")) {
    document.body.classList.toggle("has-drawer");
  } else if (event.target.closest(".veil")) {
    document.body.classList.remove("has-drawer");
  }
});
document.addEventListener("keydown", (event) => event.key === "Escape" && document.body.classList.remove("has-drawer"));
