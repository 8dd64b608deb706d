"""Pressing what is on a page while the network holds everything back, and which of it gives no sign at once."""

from __future__ import annotations

from playwright.sync_api import Page, Route

# Nothing that is asked for comes back, so what shows after two frames was done without the portal. What is pressed
# twice on one page, or on two pages, is pressed once: `known` has what the pages before had.
_PRESS_ALL = """async (known) => {
    const real = window.fetch;
    window.fetch = () => new Promise(() => {});
    const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
    const dialogs = ["dialog", "ask"].map((id) => document.getElementById(id)).filter(Boolean);
    const menu = document.getElementById("menu");
    const root = document.documentElement;
    const answers = (node) =>
        node.closest("[aria-busy=true]") || node.form?.closest("[aria-busy=true]") ||
        root.classList.contains("is-leaving") || dialogs.some((each) => each.open) || menu?.matches(":popover-open");
    const tidyUp = () => {
        root.classList.remove("is-leaving");
        for (const each of dialogs) if (each.open) each.close();
        if (menu?.matches(":popover-open")) menu.hidePopover();
        for (const each of document.querySelectorAll("[aria-busy=true]")) each.removeAttribute("aria-busy");
    };
    const nameOf = (node) => {
        const target = node.getAttribute("formaction") || node.form?.getAttribute("action") || node.href;
        const path = (target || node.dataset.menu || node.dataset.menuOf || "").replace(/\\d+/g, "N").split("?")[0];
        return `${(node.textContent.trim() || node.title).slice(0, 40)} -> ${path.replace(location.origin, "")}`;
    };
    const pressed = [], silent = [], forms = new Set();
    const pressable = "main button[type=submit], main a[data-dialog], main a.btn, [data-menu]";
    for (const node of document.querySelectorAll(pressable)) {
        const name = nameOf(node);
        const skipped = node.matches('[aria-disabled="true"], [download], [target]') || !node.checkVisibility();
        if (skipped || known.includes(name) || pressed.includes(name) || (node.form && forms.has(node.form))) continue;
        pressed.push(name);
        forms.add(node.form);
        if (node.form) node.form.noValidate = true;
        node.click();
        await frame();
        await frame();
        if (!answers(node)) silent.push(name);
        tidyUp();
    }
    window.fetch = real;
    return [pressed, silent];
}"""


def silent_when_pressed(page: Page, known: set[str]) -> list[str]:
    """What of the page gives no sign when it is pressed; adds all that was pressed to `known`. The page is of no more
    use then.
    """

    def stay(route: Route) -> None:
        # A page that is asked for does not come either, and this one stays.
        if route.request.is_navigation_request():
            route.fulfill(status=204)
        else:
            route.continue_()

    page.route("**/*", stay)
    pressed, silent = page.evaluate(_PRESS_ALL, sorted(known))
    page.unroute("**/*", stay)
    known.update(pressed)
    return [f"no sign of being pressed: {each}" for each in silent]
