"""Menus, dialogs, and pages that no link leads to: none breaks a rule of accessibility that axe can check."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.axe import violations
from tests.browser.browser_session import OpenWindow

pytestmark = pytest.mark.browser


def test_menus_dialogs_and_the_palette_break_no_rule(window: OpenWindow, shop: Any):
    page = window("root")
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


@pytest.mark.parametrize("path", ["/nowhere", "/env/5/stacks/999999", "/v1/containers", "/login"])
def test_pages_that_no_link_leads_to_break_none(window: OpenWindow, browser_session: Any, path: str):
    browser_session.allow_complaints("status of 404")
    page = window("" if path == "/login" else "root")
    page.goto(path)
    assert violations(page) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_faint_colour_of_either_theme_is_found(window: OpenWindow, theme: str):
    page = window()
    page.goto("/login")
    page.evaluate(
        """(theme) => {
            const sheet = document.styleSheets[0];
            const rule = `:root[data-theme="${theme}"] label { color: #888; background: #777 }`;
            sheet.insertRule(rule, sheet.cssRules.length);
        }""",
        theme,
    )
    found = violations(page)
    assert found
    assert all(each.startswith(f"{theme}: color-contrast: ") for each in found)
