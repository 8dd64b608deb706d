"""What is pressed shows at once that it was, while nothing of what it asks for comes back."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page

from tests.browser.feedback import silent_when_pressed

pytestmark = pytest.mark.browser

_DEAF = """() => {
    const form = document.createElement("form");
    form.action = "/deaf";
    form.innerHTML = "<button type=submit>Deaf</button>";
    form.addEventListener("submit", (event) => event.preventDefault());
    document.querySelector("main").append(form);
}"""


def test_every_button_shows_that_it_works_before_the_portal_answers(page: Page, shop: Any):
    stack, service = (row["id"][2:] for row in shop)
    paths = [
        f"/env/5/stacks/{stack}",
        f"/env/5/services/{service}",
        "/env/5/containers",
        "/env/5/hosts",
        "/env/5/network",
    ]
    paths += ["/env/5/stacks/new", "/environments/5", "/account/keys", "/admin/settings", "/admin/accounts/new"]
    pressed, silent = set[str](), dict[str, list[str]]()
    for path in paths:
        page.goto(path)
        if found := silent_when_pressed(page, pressed):
            silent[path] = found
    assert silent == {}
    assert len(pressed) > 20


def test_a_button_that_gives_no_sign_is_found(page: Page, shop: Any):
    page.goto("/account/sessions")
    page.evaluate(_DEAF)
    assert silent_when_pressed(page, set()) == ["no sign of being pressed: Deaf -> /deaf"]
