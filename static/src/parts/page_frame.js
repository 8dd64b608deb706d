// The frame of a page: copy buttons, the theme, the navigation drawer of narrow screens.
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
  const iconNode = button.querySelector(".icon");
  iconNode?.replaceWith(icon("check"));
  setTimeout(() => button.querySelector(".icon")?.replaceWith(icon("copy")), 1200);
}

async function setTheme(button) {
  const form = new URLSearchParams({ theme: button.value });
  document.documentElement.dataset.theme = button.value;
  const token = document.querySelector('meta[name="csrf-token"]').content;
  await fetch(button.formAction || "/theme", {
    method: "POST",
    body: form,
    headers: { "HX-Request": "true", "X-CSRFToken": token },
  });
}

function toggleDrawer(isOpen) {
  const isShown = document.body.classList.toggle("has-drawer", isOpen);
  document.querySelector("[data-drawer]")?.setAttribute("aria-expanded", String(isShown));
}

document.addEventListener("click", (event) => {
  const copyButton = event.target.closest("[data-copy], [data-copy-of]");
  const themeButton = event.target.closest("button[name=theme]");
  if (copyButton) {
    event.preventDefault();
    copy(copyButton).catch(() => toast(document.body.dataset.nocopy, "warn"));
  } else if (themeButton) {
    event.preventDefault();
    setTheme(themeButton);
  } else if (event.target.closest("[data-drawer]")) {
    toggleDrawer();
  } else if (event.target.closest(".veil")) {
    toggleDrawer(false);
  }
});
document.addEventListener("keydown", (event) => event.key === "Escape" && toggleDrawer(false));
