"""What a page says is so: crash loops, failing pulls, a missed change, a lost connection, a wrong clock."""

from __future__ import annotations

import re
from typing import Any

import docker
import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.browser_session import BrowserSession, OpenWindow, wait_until_live
from tests.docker.portal_process import Api

pytestmark = pytest.mark.browser

PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def steady(api: Api) -> Any:
    """A service whose one container runs."""
    stack, service = api.deploy("truth", "steady", 1, imageUuid="docker:bb:local")
    api.until_state(service, "active")
    return stack, service


def path_of(row: Any) -> str:
    kind = {"e": "stacks", "s": "services", "i": "containers"}[row["id"][1]]
    return f"/env/5/{kind}/{row['id'][2:]}"


@pytest.mark.parametrize("size", [None, PHONE], ids=["desktop", "phone"])
def test_a_lost_network_is_said_at_once_and_the_page_recovers(
    size: Any, steady: Any, window: OpenWindow, browser_session: BrowserSession
):
    browser_session.allow_complaints("ERR_INTERNET_DISCONNECTED", "Failed to fetch", "WebSocket")
    page = window("root", **({"viewport": size} if size else {}))
    page.goto(path_of(steady[1]))
    if size is None:
        wait_until_live(page)
    expect(page.locator("#offline")).to_be_hidden()
    page.context.set_offline(True)
    expect(page.locator("#offline")).to_be_visible(timeout=10_000)  # not only when the socket has been silent too long
    expect(page.locator("#offline")).to_contain_text("You are offline. What is shown may be out of date.")
    expect(page.locator("#pulse")).to_have_attribute("data-pulse", "offline")
    page.context.set_offline(False)
    expect(page.locator("#offline")).to_be_hidden()
    expect(page.locator("#pulse")).to_have_attribute("data-pulse", "live")


def test_a_change_before_the_socket_opened_is_shown(steady: Any, page: Page, api: Api):
    """The page is rendered, the row changes, and only then its script runs and the socket opens."""
    stack, _service = steady

    def change_first(route: Route) -> None:
        api.request("PUT", f"environments/{stack['id']}", {"description": "changed meanwhile"})
        route.continue_()

    page.route(re.compile(r"/main-[^/]*\.js$"), change_first, times=1)
    page.goto(path_of(stack), wait_until="commit")
    expect(page.get_by_text("changed meanwhile")).to_be_visible()


def test_ages_follow_the_server_s_clock(steady: Any, page: Page):
    page.add_init_script("const real = Date.now; Date.now = () => real() - 3 * 3600 * 1000;")
    page.goto(path_of(steady[1]))
    wait_until_live(page)
    page.evaluate("() => document.querySelectorAll('time[data-ago]').forEach((each) => (each.textContent = '?'))")
    found = page.locator("#main time[data-ago]").first
    expect(found).not_to_have_text("?", timeout=30_000)
    expect(found).to_have_text(re.compile(r"^(just now|\d+ (s|min) ago)$"))


def test_a_crash_loop_is_red_with_its_reason_and_its_restarts(page: Page, api: Api):
    command = ["sh", "-c", "exit 7"]
    stack, service = api.deploy("truth-crash", "loop", 1, imageUuid="docker:bb:local", command=command)
    page.goto(path_of(service))
    expect(page.locator("#main")).to_contain_text(re.compile(r"Keeps crashing \(exit code 7\)"), timeout=30_000)
    expect(page.locator("#main tbody .state.is-bad").first).to_be_visible()
    page.goto(path_of(stack))
    expect(page.locator("#main tr .state.is-good")).to_have_count(0)
    page.goto(f"{path_of(service)}/activity")
    expect(page.get_by_role("heading", name="Container events")).to_be_visible(timeout=30_000)
    expect(page.locator("#main .events")).to_contain_text("exit code 7")
    api.delete(stack)


def test_a_paused_container_says_so_and_goes_on(page: Page, steady: Any, api: Api, terminal: docker.APIClient):
    box = api.containers("truth_steady_")[0]
    terminal.pause(box["externalId"])
    page.goto(path_of(box))
    expect(page.locator("#main .state").first).to_contain_text("paused")
    page.get_by_role("button", name="Unpause").click()
    expect(page.locator("#main .state").first).to_contain_text("running")


def test_a_failing_pull_is_one_banner_with_what_to_do(page: Page, api: Api):
    stack, service = api.deploy("truth-pull", "app", 2, imageUuid="docker:127.0.0.1:9/nowhere/app:1")
    page.goto(path_of(service))
    banner = page.locator("#main .note.is-bad")
    expect(banner).to_have_count(1, timeout=30_000)
    expect(banner).to_contain_text("The host cannot connect to the registry.")
    expect(banner).to_contain_text(re.compile(r"Next try (in \d+ s|now)"))
    expect(page.locator("#main tbody .state").first).to_have_text("image pull failed")
    page.get_by_role("button", name="Retry now").click()
    expect(page.get_by_text("Pulling 127.0.0.1:9/nowhere/app:1 again.")).to_be_visible()
    api.delete(stack)
