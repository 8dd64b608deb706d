"""Live pages: logs, a shell, charts of hosts and containers."""

from __future__ import annotations

import re
from typing import Any

import docker
import pytest
from playwright.sync_api import Locator, Page, Request, expect

from tests.browser.browser_session import (
    is_marked,
    mark,
    record_frames,
    wait_until_live,
)
from tests.docker.portal_process import Api, wait_until

pytestmark = pytest.mark.browser


@pytest.fixture
def box(shop: Any, api: Api) -> Any:
    """The first container of the shop's web service."""
    return api.containers("shop_web_")[0]


@pytest.fixture
def address(box: Any) -> str:
    """Its page."""
    return f"/env/5/containers/{box['id'].removeprefix('1i')}"


def line(page: Page, text: str) -> Locator:
    return page.locator("#logs .lines > div").filter(has_text=text)


def say(terminal: docker.APIClient, box: Any, text: str) -> None:
    """A line in the container's output, as its own process would write it."""
    command = ["sh", "-c", f"echo {text} > /proc/1/fd/1"]
    terminal.exec_start(terminal.exec_create(box["externalId"], command)["Id"])


def test_logs_are_followed_live(page: Page, address: str, box: Any, terminal: docker.APIClient):
    page.goto(f"{address}/logs")
    expect(line(page, "serves port 80")).to_have_count(1)
    mark(page)
    for word in ("first-word", "second-word"):
        say(terminal, box, word)
        expect(line(page, word)).to_be_visible(timeout=30_000)
    assert is_marked(page)


def test_logs_can_be_searched_and_cleared(page: Page, address: str, box: Any, terminal: docker.APIClient):
    page.goto(f"{address}/logs")
    say(terminal, box, "needle")
    expect(line(page, "needle")).to_be_visible()
    page.fill("#logs [data-word]", "NEEDLE")
    expect(page.locator("#logs [data-count]")).to_have_text("1 match")
    expect(page.locator("#logs .is-hit")).to_have_text(re.compile("needle"))
    expect(page.locator("#logs [data-status]")).to_have_text("Paused")
    page.fill("#logs [data-word]", "")
    expect(page.locator("#logs [data-status]")).to_have_text("Following")
    expect(line(page, "serves port 80")).to_have_count(1)
    page.locator("#logs [data-do=clear]").click()
    expect(page.locator("#logs .lines > div")).to_have_count(0)
    say(terminal, box, "after-all")
    expect(line(page, "after-all")).to_be_visible()


def screen(page: Page) -> str:
    return str(page.locator("#shell .xterm-rows").inner_text())


def shows(page: Page, pattern: str) -> None:
    expect(page.locator("#shell .xterm-rows")).to_contain_text(re.compile(pattern))


def run(page: Page, command: str) -> None:
    page.keyboard.type(command)
    page.keyboard.press("Enter")


def test_a_shell_runs_what_is_typed_and_follows_its_window(page: Page, address: str):
    page.goto(f"{address}/shell")
    expect(page.locator("#shell [data-status]")).to_have_text("Connected")
    shows(page, "[#$]")
    run(page, "echo hello-$((40+2))")
    shows(page, "hello-42")
    run(page, "echo wide-$(stty size)")
    shows(page, r"wide-\d+ \d+")
    before = sizes(page)[-1]
    page.set_viewport_size({"width": 900, "height": 600})
    page.wait_for_timeout(300)
    run(page, "clear; echo narrow-$(stty size)")
    shows(page, r"narrow-\d+ \d+")
    after = sizes(page)[-1]
    assert after[1] < before[1]
    run(page, "exit")
    shows(page, "Shell exited")
    expect(page.locator("#shell [data-again]")).to_be_visible()
    page.locator("#shell [data-again]").click()
    shows(page, "[#$]")
    run(page, "echo again-$((1+1))")
    shows(page, "again-2")


def sizes(page: Page) -> list[tuple[int, int]]:
    return [(int(a), int(b)) for a, b in re.findall(r"(?:wide|narrow)-(\d+) (\d+)", screen(page))]


@pytest.mark.parametrize("of", ["host", "container"])
def test_charts_move_over_a_socket(page: Page, address: str, api: Api, of: str):
    frames = record_frames(page, "/ws/stats")
    host = api.get("hosts")["data"][0]["id"].removeprefix("1h")
    page.goto(f"/env/5/hosts/{host}" if of == "host" else address)
    mark(page)
    for kind in ("cpu", "memory", "network", "disk"):
        expect(page.locator(f"[data-chart={kind}] canvas")).to_be_visible()
    expect(page.locator("[data-chart=cpu] output")).to_have_text(re.compile(r"\d %"))
    expect(page.locator("[data-chart=memory] output")).to_have_text(re.compile(r"\d [KMGT]?B"))
    first = count(frames)
    wait_until(lambda: page.wait_for_timeout(200) or count(frames) >= first + 2, seconds=60, what="more points")
    assert is_marked(page)


def count(frames: list[Any]) -> int:
    """How many points came."""
    return sum(len(frame["points"]) for frame in frames if frame["type"] == "points")


def is_refresh(request: Request) -> bool:
    return "x-corral-refresh" in request.headers


def test_a_page_asks_again_for_what_is_seen_again_without_a_change(page: Page, shop: Any):
    page.clock.install()
    page.goto(f"/env/5/services/{shop[1]['id'].removeprefix('1s')}")
    expect(page.locator(".seen time[data-renew]")).to_be_visible()
    wait_until_live(page)
    mark(page)
    with page.expect_request(is_refresh, timeout=30_000):
        page.clock.fast_forward(41_000)  # a socket silent for so long is reopened, and missed lines are read
    wait_until_live(page)
    with page.expect_request(is_refresh, timeout=30_000):
        page.clock.fast_forward(20_000)  # the minute is over
    assert is_marked(page)
