"""Every link of the console: each page opens, fits the window, and causes no browser error."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.browser.browser_session import OpenWindow
from tests.browser.console_pages import is_download, walk_console

pytestmark = pytest.mark.browser

WINDOWS = ((390, 844), (1440, 900))
MATRIX = ".kinds"  # what each role may do: on a phone it scrolls in its frame, beside its first column
TOO_WIDE = """(matrix) => [document.documentElement, ...document.querySelectorAll(".sheet")]
    .filter((each) => each === document.documentElement || !each.querySelector(matrix))
    .filter((each) => each.scrollWidth > each.clientWidth)
    .map((each) => `${each.className || "the page"}: ${each.scrollWidth} > ${each.clientWidth}`)"""


def too_wide(page: Page) -> list[str]:
    """What has to be scrolled sideways to be read, on a phone or at a desk."""
    found: list[str] = []
    for width, height in WINDOWS:
        page.set_viewport_size({"width": width, "height": height})
        found += [f"at {width} px {each}" for each in page.evaluate(TOO_WIDE, MATRIX)]
    return found


@pytest.mark.parametrize("login", ["root", "walker"])
def test_every_link_of_the_console_answers_and_no_page_complains(
    window: OpenWindow, shop: Any, portal: Any, api: Any, login: str
):
    if login == "walker":
        become_member(window)
    page = window(login)
    seen, wrong, wide = 0, dict[str, int](), dict[str, list[str]]()
    for path, status in walk_console(page, portal.base):
        seen += 1
        if status >= 400:
            wrong[path] = status
        if not is_download(path) and (found := too_wide(page)):
            wide[path] = found
    assert wrong == {}
    assert wide == {}
    assert seen > 25


def become_member(window: OpenWindow) -> None:
    """A read-only member, as most accounts are."""
    from tests.docker.portal_process import PASSWORD

    page = window("root")
    page.goto("/admin/accounts/new")
    page.fill("[name=login]", "walker")
    page.fill("[name=password]", PASSWORD)
    page.get_by_role("button", name="Create").click()
    page.wait_for_url(re.compile("//[^/]+/$"))  # no page led to the form, so it ends at the landing page
    page.goto("/environments/5")
    page.fill("[name=login]", "walker")
    page.locator("form:has([name=login]) [name=role]").select_option("readonly")
    page.get_by_role("button", name="Add member").click()
    page.locator("tr[id^=member-]").filter(has_text="walker").wait_for()
