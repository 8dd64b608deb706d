"""Every link of the console: each page opens, fits the window, breaks no rule that axe checks, and causes no error."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.browser.axe import violations
from tests.browser.browser_session import OpenWindow
from tests.browser.console_pages import is_download, too_wide, walk_console

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("login", ["root", "walker"])
def test_every_link_of_the_console_answers_and_no_page_complains(
    window: OpenWindow, shop: Any, portal: Any, api: Any, login: str
):
    if login == "walker":
        become_member(window)
    page = window(login)
    seen, wrong = 0, dict[str, list[str]]()
    for path, status in walk_console(page, portal.base):
        seen += 1
        found = [f"answers {status}"] if status >= 400 else []
        if not is_download(path):
            # Opening the pages is what takes the time, so both are looked for at once. Of a member's pages only the
            # width: they are the same templates with less in them.
            found += too_wide(page) + (violations(page) if login == "root" else [])
        if found:
            wrong[path] = found
    assert wrong == {}
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
