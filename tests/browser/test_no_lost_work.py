"""Nothing typed is lost, nothing large is deleted by one key, and every press is answered at once and once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.browser_session import BrowserSession
from tests.docker.portal_process import Api, wait_until

pytestmark = pytest.mark.browser


def console_path(row: Any, kind: str) -> str:
    return f"/env/5/{kind}/{row['id'][2:]}"


def test_somebody_overtaken_chooses_between_both_values(
    page: Page, browser_session: BrowserSession, shop: Any, api: Api
):
    browser_session.allow_complaints("status of 412")
    stack, _service = shop
    api.request("PUT", stack["links"]["self"], {"description": "as it was"})
    page.goto(console_path(stack, "stacks"))
    page.locator("[data-action=update]").first.click()
    form = page.locator("#dialog form")
    form.locator("[name=description]").fill("what I typed")
    api.request("PUT", stack["links"]["self"], {"description": "what they saved"})
    form.get_by_role("button", name="Save").click()
    expect(form.locator(".conflict")).to_contain_text("what they saved")
    expect(form.locator(".conflict")).to_contain_text("what I typed")
    form.locator("[value=mine]").check()
    form.get_by_role("button", name="Save").click()
    expect(page.locator("#dialog")).not_to_be_visible()
    assert api.reload(stack)["description"] == "what I typed"


@pytest.fixture
def keeper(api: Api) -> Iterator[Any]:
    """A stack with a volume, which its deletion leaves behind."""
    stack, _service = api.deploy("keeper", "db", 1, dataVolumes=["keeper-orders:/data"])
    api.until_running("keeper_db_", 1)
    yield stack
    api.request("DELETE", stack["links"]["self"])


def test_deleting_is_undone_by_a_key(page: Page, shop: Any, api: Api):
    stack, _service = shop
    page.goto(console_path(stack, "stacks"))
    page.locator("[data-action=remove]").first.click()
    page.locator("#dialog").get_by_role("button", name="Delete").click()
    expect(page).to_have_url(re.compile("/stacks$"))
    toast = page.locator("#toasts .toast")
    expect(toast).to_contain_text("Deleted stack shop.")
    expect(toast.get_by_role("button", name="Undo")).to_be_visible()
    assert api.reload(stack)["state"] == "removing"
    page.keyboard.press("u")
    expect(page.locator("#toasts")).to_contain_text("Stack shop stays.")
    expect(toast.get_by_role("button", name="Undo")).to_have_count(0)
    api.until_state(stack, "active")
    api.until_running("shop_web_", 2)


def test_an_enter_too_many_deletes_nothing(page: Page, keeper: Any, api: Api):
    stack = keeper
    page.goto(console_path(stack, "stacks"))
    page.locator("[data-action=remove]").first.click()
    dialog = page.locator("#dialog")
    expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    page.keyboard.press("Enter")
    expect(dialog).not_to_be_visible()
    page.locator("[data-action=remove]").first.click()
    delete = dialog.get_by_role("button", name="Delete")
    expect(delete).to_have_attribute("aria-disabled", "true")
    dialog.locator("[name=confirm]").fill("keepe")
    page.keyboard.press("Enter")
    expect(dialog).to_be_visible()
    dialog.locator("[name=confirm]").fill("keeper")
    expect(delete).not_to_have_attribute("aria-disabled", "true")
    assert api.reload(stack)["state"] == "active"


def test_stop_all_asks_and_lists_what_stops(page: Page, shop: Any, api: Api):
    stack, service = shop
    page.goto(console_path(stack, "stacks"))
    page.locator("[data-action=deactivate]").first.click()
    dialog = page.locator("#dialog")
    expect(dialog).to_contain_text("web")
    expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    page.keyboard.press("Enter")
    assert api.reload(service)["state"] == "active"


def test_typed_text_is_given_up_only_on_request(page: Page, shop: Any):
    page.goto(console_path(shop[0], "stacks"))
    page.locator("[data-action=update]").first.click()
    dialog, question = page.locator("#dialog"), page.locator("#ask")
    field = dialog.locator("[name=description]")
    field.fill("half a sentence")
    page.keyboard.press("Escape")
    expect(question).to_contain_text("Discard")
    page.keyboard.press("Enter")
    expect(question).not_to_be_visible()
    expect(field).to_have_value("half a sentence")
    page.mouse.click(5, 5)
    question.get_by_role("button", name="Discard").click()
    expect(dialog).not_to_be_visible()
    page.locator("[data-action=update]").first.click()
    expect(field).not_to_have_value("half a sentence")
    page.keyboard.press("Escape")
    expect(dialog).not_to_be_visible()


def test_a_form_comes_back_after_a_session_that_ended_elsewhere(page: Page, browser_session: BrowserSession, shop: Any):
    browser_session.allow_complaints("status of 401", "status of 403")
    page.goto("/env/5/stacks/new")
    page.fill("[name=name]", "half-typed")
    page.fill("[name=dockerCompose]", "services: {}\n# not done yet")
    page.wait_for_timeout(400)  # a draft is kept once the typing pauses
    page.context.clear_cookies(name="corral_session")
    page.get_by_role("button", name="Create").click()
    page.wait_for_url(re.compile("/login"))
    page.fill("[name=login]", "root")
    page.fill("[name=password]", "correct horse battery staple")
    page.click("button[type=submit]")
    page.wait_for_url(re.compile("/stacks/new$"))
    expect(page.locator("[name=name]")).to_have_value("half-typed")
    expect(page.locator("[name=dockerCompose]")).to_have_value("services: {}\n# not done yet")
    expect(page.locator("#toasts")).to_contain_text("not saved yet")
    page.get_by_role("link", name="Cancel").click()
    page.goto("/env/5/stacks/new")
    expect(page.locator("[name=name]")).to_have_value("")


def test_a_dialog_comes_back_too_but_never_a_password(page: Page, browser_session: BrowserSession):
    browser_session.allow_complaints("status of 401", "status of 403")
    page.goto("/admin/accounts")
    page.get_by_role("link", name="Add account").click()
    page.fill("#dialog [name=login]", "newcomer")
    page.fill("#dialog [name=password]", "never to be kept")
    page.wait_for_timeout(400)  # a draft is kept once the typing pauses
    assert "never to be kept" not in page.evaluate("JSON.stringify(sessionStorage)")
    page.context.clear_cookies(name="corral_session")
    page.locator("#dialog [type=submit]").click()
    page.wait_for_url(re.compile("/login"))
    page.fill("[name=login]", "root")
    page.fill("[name=password]", "correct horse battery staple")
    page.click("button[type=submit]")
    expect(page.locator("#dialog [name=login]")).to_have_value("newcomer")
    expect(page.locator("#dialog [name=password]")).to_have_value("")


def test_lost_cookies_are_said_in_words(page: Page, browser_session: BrowserSession, shop: Any):
    browser_session.allow_complaints("status of 403")
    page.goto(console_path(shop[1], "services"))

    def lose(route: Route) -> None:
        """Just before they are sent: whatever the page reads meanwhile sets another one."""
        page.context.clear_cookies(name="corral_csrf")
        route.continue_()

    page.route(lambda _url: True, lambda route: lose(route) if route.request.method == "POST" else route.fallback())
    page.get_by_role("button", name="One more").click()
    expect(page.locator("#toasts")).to_contain_text("Reload the page")


def test_the_secret_of_a_key_goes_by_its_button_only(page: Page):
    page.goto("/env/5/keys")
    page.get_by_role("link", name="Add key").click()
    page.fill("#dialog [name=name]", "held")
    page.locator("#dialog [type=submit]").click()
    secret = page.locator("#dialog [data-secret] code")
    expect(secret).to_be_visible()
    page.keyboard.press("Escape")
    page.mouse.click(5, 5)
    expect(secret).to_be_visible()
    page.get_by_role("link", name="Done").click()
    expect(page.locator("#dialog")).not_to_be_visible()


def slowed(page: Page, pattern: str) -> list[str]:
    """Have requests to matching addresses answered after a while; returns the methods of those that were made."""
    made: list[str] = []

    def wait(route: Route) -> None:
        made.append(route.request.method)
        page.wait_for_timeout(700)
        route.continue_()

    page.route(re.compile(pattern), wait)
    return made


def test_a_dialog_and_a_button_answer_before_the_portal_does(page: Page, shop: Any):
    page.goto(console_path(shop[0], "stacks"))
    held: list[Route] = []
    page.route(re.compile("/edit$"), lambda route: held.append(route))  # noqa: PLW0108 - it marks the handler
    page.locator("[data-action=update]").first.click()
    expect(page.locator("#dialog .skeleton")).to_be_visible()
    wait_until(lambda: page.wait_for_timeout(20) or held, seconds=60, what="the request")
    held[0].continue_()
    expect(page.locator("#dialog [name=description]")).to_be_visible()


def test_a_double_click_sends_once(page: Page, shop: Any, api: Api):
    _stack, service = shop
    before = api.reload(service)["scale"]
    page.goto(console_path(service, "services"))
    made = slowed(page, "/scale$")
    page.get_by_role("button", name="One more").dblclick()
    expect(page.locator("#toasts")).to_contain_text(f"to {before + 1}.")
    expect(page.locator(".is-busy")).to_have_count(0)
    assert api.reload(service)["scale"] == before + 1
    assert made == ["POST"]
    api.request("PUT", service["links"]["self"], {"scale": before})


@pytest.mark.parametrize(("status", "words"), [(502, "failed"), (413, "Send less"), (429, "Wait a moment")])
def test_a_refusal_by_something_in_between_is_said_in_words(
    page: Page, browser_session: BrowserSession, shop: Any, status: int, words: str
):
    browser_session.allow_complaints(f"status of {status}")
    page.goto(console_path(shop[1], "services"))
    page.route(re.compile("/scale$"), lambda route: route.fulfill(status=status, body="<h1>proxy</h1>"))
    page.get_by_role("button", name="One more").click()
    expect(page.locator("#toasts")).to_contain_text(words)
    expect(page.locator("h1", has_text="proxy")).to_have_count(0)


def test_closing_the_question_before_scaling_down_puts_the_scale_back(page: Page, api: Api):
    stack, service = api.deploy("shrink", "db", 2, dataVolumes=["shrink-orders:/data"])
    api.until_running("shrink_db_", 2)
    try:
        page.goto(console_path(service, "services"))
        field = page.locator(".stepper [name=scale]")
        for _again in range(2):
            field.fill("1")
            field.press("Enter")
            expect(page.locator("#dialog")).to_contain_text("from 2 to 1?")
            page.keyboard.press("Escape")
            expect(page.locator("#dialog")).not_to_be_visible()
            expect(field).to_have_value("2")
        assert api.reload(service)["scale"] == 2
    finally:
        api.request("DELETE", stack["links"]["self"])
