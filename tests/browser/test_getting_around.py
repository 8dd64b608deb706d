"""Between environments, by keyboard, in the dark, and on a phone."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.browser_session import OpenWindow, mark, wait_until_live
from tests.docker.portal_process import Api

pytestmark = pytest.mark.browser


def switch(page: Page, name: str) -> None:
    page.locator("[data-menu-of=switcher]").click()
    page.locator("#menu").get_by_role("menuitem", name=name).click()


def test_an_environment_is_made_and_shows_nothing_of_another(page: Page, shop: Any):
    page.goto("/environments")
    page.get_by_role("link", name="Add environment").click()
    page.fill("#dialog [name=name]", "Annex")
    page.locator("#dialog").get_by_role("button", name="Create").click()
    expect(page.get_by_role("heading", name="Annex")).to_be_visible()
    switch(page, "Annex")
    expect(page).to_have_url(re.compile(r"/env/(?!5/)\d+/stacks$"))
    annex = page.url.rpartition("/")[0]
    for place in ("stacks", "containers", "hosts", "activity"):
        page.goto(f"{annex}/{place}")
        expect(page.locator("main")).not_to_contain_text("shop")
    expect(page.locator("[data-menu-of=switcher]")).to_contain_text("Annex")
    page.keyboard.press("/")
    page.keyboard.type("shop")
    expect(page.locator("#palette .hit", has_text="shop_web_1")).to_contain_text("Default")
    page.keyboard.press("Escape")
    switch_back(page)


def switch_back(page: Page) -> None:
    page.goto("/")
    expect(page.locator("[data-menu-of=switcher]")).to_contain_text("Annex")  # the one last looked at
    switch(page, "Default")
    expect(page).to_have_url(re.compile("/env/5/stacks$"))
    expect(page.locator("section.stack")).to_contain_text("shop")


def test_the_keyboard_finds_and_opens_a_service(page: Page, shop: Any):
    page.goto("/env/5/hosts")
    wait_until_live(page)
    page.keyboard.press("/")
    palette = page.locator("#palette")
    expect(palette).to_be_visible()
    page.keyboard.type("web")
    first = palette.locator(".hit[aria-selected=true]")
    expect(first).to_contain_text("web")
    expect(first).to_have_attribute("href", re.compile("/services/"))
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/services/\d+$"))
    expect(page.get_by_role("heading", name="web", exact=True)).to_be_visible()


def test_jumps_and_the_list_of_keys(page: Page):
    page.goto("/env/5/stacks")
    wait_until_live(page)
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#keys")).to_be_hidden()
    page.keyboard.press("g")
    page.keyboard.press("h")
    expect(page).to_have_url(re.compile("/hosts$"))


def test_a_key_that_meets_a_dialog_which_just_closed_is_not_lost(page: Page):
    page.goto("/env/5/stacks")
    wait_until_live(page)
    for key in "gh":  # the focus leaves a closed dialog only with the next frame
        press = "(button, key) => button.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true}))"
        page.locator("#keys button").first.evaluate(press, key)
    expect(page).to_have_url(re.compile("/hosts$"))


def background(page: Page) -> int:
    """How bright the page is, 0 to 765."""
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    return sum(int(float(part)) for part in re.findall(r"[\d.]+", colour)[:3])


def test_the_theme_is_switched_at_once_and_kept(page: Page):
    page.goto("/env/5/stacks")
    wait_until_live(page)
    assert background(page) > 600
    mark(page)
    for theme, is_dark in (("dark", True), ("light", False), ("dark", True)):
        page.locator("[data-menu-of=person]").click()
        with page.expect_response(re.compile("/theme$")):
            page.locator("#menu").get_by_role("menuitem", name=f"Theme: {theme}").click()
        assert (background(page) < 200) == is_dark
    page.goto("/env/5/hosts")
    assert background(page) < 200


def test_without_a_choice_the_system_s_theme_is_taken(window: OpenWindow):
    page = window("root", color_scheme="dark")
    page.goto("/env/5/stacks")
    assert background(page) < 200


def test_on_a_phone_no_page_scrolls_sideways(window: OpenWindow, shop: Any, api: Api):
    stack, service = shop
    container = api.containers("shop_web_")[0]["id"].removeprefix("1i")
    host = api.get("hosts")["data"][0]["id"].removeprefix("1h")
    page = window("root", viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True)
    stack_page = f"/env/5/stacks/{stack['id'].removeprefix('1e')}"
    service_page = f"/env/5/services/{service['id'].removeprefix('1s')}"
    box = f"/env/5/containers/{container}"
    wide = {}
    for path in (
        *("/env/5/stacks", "/env/5/stacks/new", stack_page, f"{stack_page}/compose", f"{stack_page}/activity"),
        *(f"{stack_page}/services/new", service_page, f"{service_page}/activity"),
        *("/env/5/containers", "/env/5/containers/new", box, f"{box}/logs", f"{box}/shell"),
        *("/env/5/hosts", "/env/5/hosts/new", f"/env/5/hosts/{host}", "/env/5/activity", "/env/5/keys", "/env/5/audit"),
        *("/environments", "/environments/5", "/account/keys", "/account/password"),
        *("/admin/accounts", "/admin/settings", "/admin/processes", "/admin/audit"),
    ):
        page.goto(path)
        page.wait_for_timeout(100)  # charts, logs and terminals come after the page
        width = page.evaluate("document.scrollingElement.scrollWidth - 390")
        if width > 0 or page.evaluate("innerWidth") > 390:
            wide[path] = (width, page.evaluate("innerWidth"))
    assert wide == {}


def test_on_a_phone_the_drawer_leads_around(window: OpenWindow):
    page = window("root", viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True)
    page.goto("/env/5/stacks")
    wait_until_live(page)
    page.get_by_role("button", name="Menu").click()
    page.get_by_role("link", name="Hosts").click()
    expect(page).to_have_url(re.compile("/hosts$"))


def test_on_a_phone_the_actions_without_room_are_in_a_menu(window: OpenWindow, shop: Any):
    _stack, service = shop
    page = window("root", viewport={"width": 390, "height": 844})
    page.goto(f"/env/5/services/{service['id'].removeprefix('1s')}")
    wait_until_live(page)
    expect(page.locator(".page-head .actions > .btn:visible")).to_have_text(["Stop", "Upgrade", "More"])
    more = page.locator("[data-menu-rest]")
    more.press("Enter")
    expect(page.locator("#menu .item").first).to_be_focused()
    page.keyboard.press("End")
    expect(page.locator("#menu .item", has_text="Delete")).to_be_focused()
    page.keyboard.press("Escape")
    expect(more).to_be_focused()
    more.press("ArrowDown")
    expect(page.locator("#menu .item").first).to_be_focused()
    page.keyboard.press("d")
    expect(page.locator("#menu .item:focus")).to_have_text(re.compile("^D", re.IGNORECASE))
    page.keyboard.press("Tab")
    expect(page.locator("#menu")).to_be_hidden()
    expect(more).to_be_focused()
    more.click()
    page.locator("#menu .item", has_text="Delete").click()
    expect(page.locator("#dialog")).to_be_visible()
    expect(page.locator("#menu")).to_be_hidden()
