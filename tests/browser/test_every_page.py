"""Every link of the console: each page opens, fits the window, and causes no browser error."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page

from tests.browser.browser_session import OpenWindow

pytestmark = pytest.mark.browser

MANY = 150
LINKS = """() => [...document.querySelectorAll("a[href], template")].flatMap((each) =>
    each.content ? [...each.content.querySelectorAll("a[href]")] : [each]).map((each) => each.href)"""

WINDOWS = ((390, 844), (1440, 900))
MATRIX = ".kinds"  # what each role may do: on a phone it scrolls in its frame, beside its first column
TOO_WIDE = """(matrix) => [document.documentElement, ...document.querySelectorAll(".sheet")]
    .filter((each) => each === document.documentElement || !each.querySelector(matrix))
    .filter((each) => each.scrollWidth > each.clientWidth)
    .map((each) => `${each.className || "the page"}: ${each.scrollWidth} > ${each.clientWidth}`)"""


def shape(path: str) -> str:
    """The path without ids and query values: pages that differ only in these count as one."""
    parts = urlsplit(path)
    names = sorted({pair.partition("=")[0] for pair in parts.query.split("&") if pair})
    return re.sub(r"/\d+", "/N", parts.path) + (f"?{','.join(names)}" if names else "")


def ours(page: Page, base: str) -> list[str]:
    """The links of the page that stay in the console."""
    found = [str(link).partition("#")[0] for link in page.evaluate(LINKS)]
    inside = [link.removeprefix(base) for link in found if link.startswith(f"{base}/")]
    return [path for path in inside if not path.startswith(("/v1", "/static", "/logout"))]


def visit(page: Page, path: str) -> int:
    """The status of a page that is opened, or of a file that would be kept."""
    if "file=" in path or "export=" in path:
        return page.request.get(path).status
    answer = page.goto(path)
    return answer.status if answer else 0


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
    todo, done, wrong, wide = ["/"], set[str](), {}, dict[str, list[str]]()
    while todo and len(done) < MANY:
        path = todo.pop(0)
        if shape(path) in done:
            continue
        done.add(shape(path))
        status = visit(page, path)
        if status >= 400:
            wrong[path] = status
        if found := too_wide(page):
            wide[path] = found
        todo += ours(page, portal.base)
    assert wrong == {}
    assert wide == {}
    assert len(done) > 25, sorted(done)
    assert not todo or all(shape(path) in done for path in todo)


def become_member(window: OpenWindow) -> None:
    """A read-only member, as most accounts are."""
    from tests.docker.portal_process import PASSWORD

    page = window("root")
    page.goto("/admin/accounts/new")
    page.fill("[name=login]", "walker")
    page.fill("[name=password]", PASSWORD)
    page.get_by_role("button", name="Create").click()
    page.wait_for_url(re.compile("/stacks$"))  # no page led to the form, so it ends at the first one
    page.goto("/environments/5")
    page.fill("[name=login]", "walker")
    page.locator("form:has([name=login]) [name=role]").select_option("readonly")
    page.get_by_role("button", name="Add member").click()
    page.locator("tr[id^=member-]").filter(has_text="walker").wait_for()
