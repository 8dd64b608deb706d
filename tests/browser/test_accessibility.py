"""No page breaks a rule of accessibility that axe can check, in the light theme and in the dark one."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.axe import violations
from tests.browser.browser_session import OpenWindow
from tests.browser.console_pages import is_download, walk_console

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_page_of_the_console_breaks_a_rule(window: OpenWindow, shop: Any, portal: Any, theme: str):
    page = window("root")
    page.context.add_cookies([{"name": "corral_theme", "value": theme, "url": portal.base}])
    found, checked = dict[str, list[str]](), 0
    for path, _status in walk_console(page, portal.base):
        if is_download(path):
            continue
        checked += 1
        if broken := violations(page):
            found[path] = broken
    assert found == {}
    assert checked > 25


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_menus_dialogs_and_the_palette_break_no_rule_either(window: OpenWindow, shop: Any, portal: Any, theme: str):
    page = window("root")
    page.context.add_cookies([{"name": "corral_theme", "value": theme, "url": portal.base}])
    page.goto("/env/5/containers")
    found = {}
    for name, opener in (
        ("row", "[data-menu]"),
        ("person", "[data-menu-of=person]"),
        ("switcher", "[data-menu-of=switcher]"),
    ):
        page.locator(opener).first.click()
        page.locator("#menu .item").first.wait_for()
        expect(page.locator(opener).first).to_have_attribute("aria-expanded", "true")
        found[name] = violations(page)
        page.keyboard.press("Escape")
        expect(page.locator(opener).first).to_have_attribute("aria-expanded", "false")
    page.keyboard.press("/")
    page.locator("#palette .hit").first.wait_for()
    found["palette"] = violations(page)
    page.keyboard.press("Escape")
    page.locator("[data-menu]").first.click()
    page.get_by_role("menuitem", name="Delete").click()
    page.locator("#dialog h1").wait_for()
    found["dialog"] = violations(page)
    assert found == {name: [] for name in found}


def test_home_and_end_lead_through_a_menu(window: OpenWindow, shop: Any):
    page = window("root")
    page.goto("/env/5/containers")
    page.locator("[data-menu-of=person]").click()
    items = page.locator("#menu .item")
    expect(items.first).to_be_focused()
    page.keyboard.press("End")
    expect(items.last).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(items.first).to_be_focused()
    page.keyboard.press("ArrowUp")
    expect(items.last).to_be_focused()
    page.keyboard.press("Home")
    expect(items.first).to_be_focused()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("path", ["/nowhere", "/env/5/stacks/999999", "/v1/containers", "/login"])
def test_pages_that_no_link_leads_to_break_none(
    window: OpenWindow, browser_session: Any, portal: Any, path: str, theme: str
):
    browser_session.allow_complaints("status of 404")
    page = window("" if path == "/login" else "root")
    page.context.add_cookies([{"name": "corral_theme", "value": theme, "url": portal.base}])
    page.goto(path)
    assert violations(page) == []
