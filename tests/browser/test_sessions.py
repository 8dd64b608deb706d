"""Logging in with a second factor, and a session that is ended in another window: page and log stream go at once."""

from __future__ import annotations

import re
from typing import Any

import pyotp
import pytest
from playwright.sync_api import Page, expect

from tests.browser.browser_session import (
    BrowserSession,
    OpenWindow,
    log_in,
    post_form,
    wait_until_live,
)
from tests.docker.portal_process import PASSWORD, Api, PortalProcess

pytestmark = pytest.mark.browser

LOGIN = "theo"


@pytest.fixture(scope="module", autouse=True)
def theo(shared_browser_session: BrowserSession, shop: Any) -> None:
    """An account that may read the shop's logs."""
    page = shared_browser_session.window("root")
    page.goto("/environments/5")
    assert post_form(page, "/admin/accounts/new", {"login": LOGIN, "password": PASSWORD, "kind": "user"}) == 204
    assert post_form(page, "/environments/5/members", {"login": LOGIN, "role": "readonly"}) == 204
    page.context.close()


def with_code(page: Page, portal: PortalProcess, secret: str) -> None:
    """Both steps of the log-in; as if half a minute had passed since the last code."""
    portal.rows("UPDATE accounts_totp SET last_step = 0")
    page.goto("/login")
    page.fill("[name=login]", LOGIN)
    page.fill("[name=password]", PASSWORD)
    page.click("button[type=submit]")
    page.wait_for_url(re.compile("/login/code"))
    page.fill("[name=code]", pyotp.TOTP(secret).now())
    page.click("button[type=submit]")
    page.wait_for_url(lambda url: "/login" not in url)


def set_up(page: Page) -> str:
    """Set an authenticator up in the dialog; its secret."""
    page.goto("/account/factor")
    page.get_by_role("link", name="Set it up").click()
    secret = page.locator("#dialog [data-copy]").get_attribute("data-copy") or ""
    page.fill("#dialog [name=code]", pyotp.TOTP(secret).now())
    page.locator("#dialog").get_by_role("button", name="Confirm").click()
    expect(page.locator("#dialog .codes li")).to_have_count(10)
    page.get_by_role("link", name="I have kept them").click()
    expect(page.locator("main dd").first).to_have_text("on")
    return secret


def wait_until_closed(page: Page, *streams: Any) -> None:
    """Chromium may say that a socket has closed after it has left the page."""
    for _turn in range(50):
        if all(stream.is_closed() for stream in streams):
            return
        page.wait_for_timeout(100)
    raise AssertionError("a stream is still open")


def test_a_session_ended_in_another_window_takes_page_and_log_stream_along(
    window: OpenWindow, browser_session: BrowserSession, portal: PortalProcess, api: Api, shop: Any
):
    browser_session.allow_complaints("status of 40[134]")
    first = window()
    log_in(first, LOGIN)
    secret = set_up(first)

    page = window()
    streams: list[Any] = []
    page.on("websocket", lambda socket: streams.append(socket) if "/ws/logs" in socket.url else None)
    with_code(page, portal, secret)
    container = api.containers("shop_web_")[0]["id"].removeprefix("1i")
    page.goto(f"/env/5/containers/{container}/logs")
    wait_until_live(page)
    expect(page.locator("[data-status]")).not_to_have_text("Connecting")
    assert [stream.is_closed() for stream in streams] == [False]

    admin = window("root")
    admin.goto(f"/admin/sessions?q={LOGIN}")
    expect(admin.locator("tr[id^=session-]")).to_have_count(2)
    admin.locator("tr[id^=session-]").first.locator("[data-action=end]").click()
    page.wait_for_url(re.compile("/login"), timeout=10_000)  # not only with the next request
    wait_until_closed(page, *streams)
    expect(admin.locator("tr[id^=session-]")).to_have_count(1)

    first.reload()
    expect(first.get_by_role("heading", name="Second factor")).to_be_visible()
