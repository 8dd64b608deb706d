"""A hidden tab requests no statistics, and its charts have no gap once it is shown again."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.browser_session import is_marked, mark
from tests.docker.portal_process import Api, wait_until

pytestmark = pytest.mark.browser

AWAY = 8_000  # ms
HIGH = 5e9
HIDE = """(hidden) => {
    Object.defineProperty(document, "hidden", {get: () => hidden, configurable: true});
    Object.defineProperty(document, "visibilityState", {get: () => hidden ? "hidden" : "visible", configurable: true});
    document.dispatchEvent(new Event("visibilitychange"));
}"""


class Watched:
    """The statistics sockets of a page: which are open, and how many frames came over all of them."""

    def __init__(self, page: Page) -> None:
        self.frames, self.opened, self.closed = 0, 0, 0
        page.on("websocket", self._follow)

    def _follow(self, socket: Any) -> None:
        if "/ws/stats" in socket.url:
            self.opened += 1
            socket.on("framereceived", lambda _data: self._count())
            socket.on("close", lambda _socket: self._end())

    def _count(self) -> None:
        self.frames += 1

    def _end(self) -> None:
        self.closed += 1


def remember(page: Page, gap: list[float]) -> None:
    """Add one high point in the middle of the `gap` to the history that the page loads."""

    def answer(route: Route) -> None:
        fetched = route.fetch()
        points = fetched.json()["points"]
        if len(gap) == 2:
            high = dict.fromkeys(("cpu", "memory", "memory_limit", "net_tx", "disk_read", "disk_write"), 1.0)
            points.append({**high, "at": sum(gap) / 2, "net_rx": HIGH})
        route.fulfill(response=fetched, json={**fetched.json(), "points": points})

    page.route("**/history*", answer)


def height_at(page: Page, plot: Locator, share: float) -> float:
    """How high (0 to 1) the chart's first line is where the mouse points at that share of its width."""
    over = plot.bounding_box()
    assert over is not None
    page.mouse.move(over["x"] + share * over["width"], over["y"] + over["height"] / 2)
    page.wait_for_timeout(50)
    dot = plot.locator(".u-cursor-pt").first.bounding_box()
    assert dot is not None
    return 1 - (dot["y"] + dot["height"] / 2 - over["y"]) / over["height"]


def now(page: Page) -> float:
    return float(page.evaluate("Date.now() / 1000"))


def test_charts_pause_in_a_hidden_tab_and_fill_the_gap_on_return(page: Page, shop: Any, api: Api):
    watched, gap = Watched(page), list[float]()
    remember(page, gap)
    box = api.containers("shop_web_")[0]["id"].removeprefix("1i")
    page.goto(f"/env/5/containers/{box}")
    mark(page)
    plot = page.locator("[data-chart=network] .u-over")
    expect(plot).to_be_visible()
    wait_until(lambda: page.wait_for_timeout(100) or watched.frames > 3, seconds=60, what="points")
    gap.append(now(page))
    page.evaluate(HIDE, arg=True)
    wait_until(lambda: page.wait_for_timeout(50) or watched.closed == 1, seconds=60, what="the socket closed")
    before = watched.frames
    page.wait_for_timeout(AWAY)
    assert (watched.frames, watched.opened) == (before, 1)
    gap.append(now(page))
    page.evaluate(HIDE, arg=False)
    wait_until(lambda: page.wait_for_timeout(100) or watched.frames > before + 3, seconds=60, what="points again")
    assert watched.opened == 2
    heights = [height_at(page, plot, share / 40) for share in range(1, 40)]
    assert max(heights) > 0.8, heights
    assert heights[0] < 0.1 > heights[-1], heights
    assert 0 < heights.index(max(heights)) < len(heights) - 1
    assert is_marked(page)


def test_a_tab_that_was_opened_in_the_background_waits(page: Page, shop: Any, api: Api):
    watched = Watched(page)
    page.add_init_script("Object.defineProperty(document, 'hidden', {get: () => true, configurable: true})")
    box = api.containers("shop_web_")[0]["id"].removeprefix("1i")
    page.goto(f"/env/5/containers/{box}")
    page.wait_for_timeout(1_500)
    assert watched.opened == 0
    page.evaluate(HIDE, arg=False)
    expect(page.locator("[data-chart=cpu] canvas")).to_be_visible()
    assert watched.opened == 1
