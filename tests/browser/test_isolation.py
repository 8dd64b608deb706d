"""Two environments in two browsers that hop between them: nothing of one ever reaches a page or socket of the other."""

from __future__ import annotations

import json
import logging
import os
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page

from tests.browser.desk import Desk, send
from tests.docker.running import Api, Portal, until

log = logging.getLogger(__name__)

pytestmark = pytest.mark.browser

SECONDS = float(os.environ.get("CORRAL_ISOLATION_SECONDS", "20"))
HOPPING = Path(__file__).with_name("hopping.js").read_text()
TABLES = {
    "container": "containers_container",
    "host": "hosts_host",
    "service": "stacks_service",
    "environment": "stacks_stack",
}


@dataclass
class Place:
    """One environment: its things carry `mark` in their names, its containers have `memory` bytes at most."""

    mark: str
    memory: int
    number: int = 0
    host: int = 0
    box: int = 0
    service: int = 0
    api: Any = None

    @property
    def paths(self) -> list[str]:
        """The pages that are hopped to."""
        box = f"containers/{self.box}"
        pages = ["stacks", box, f"hosts/{self.host}", box, "containers", f"services/{self.service}", "hosts"]
        return [f"/env/{self.number}/{each}" for each in pages]


@dataclass
class Heard:
    """What a window showed and its sockets received."""

    leaks: list[str] = field(default_factory=list)
    shown: Counter[str] = field(default_factory=Counter)
    frames: list[tuple[str, str, str]] = field(default_factory=list)

    def follow(self, page: Page) -> None:
        """Keep every frame with the page's and the socket's address."""

        def opened(socket: Any) -> None:
            where = urlsplit(page.url).path
            socket.on("framereceived", lambda data: self.frames.append((where, socket.url, str(data))))

        page.on("websocket", opened)
        page.expose_function("leaked", self._leaked)
        page.expose_function("shown", lambda number: self.shown.update([number]))

    def _leaked(self, text: str) -> None:
        self.leaks.append(text)


@pytest.fixture(scope="module")
def apart(new_portal: Callable[[str], Portal], chromium: Callable[[Portal], Desk]) -> tuple[Desk, list[Place]]:
    """A portal with two environments, each with a simulated engine of its own, and the browser before it."""
    portal = new_portal("unix:///nowhere/docker.sock")
    portal.start()
    portal.api()
    desk = chromium(portal)
    page = desk.window("root")
    places = [Place("alphamark", 64 << 20), Place("betamark", 128 << 20)]
    for name, place in zip(("North", "South"), places, strict=True):
        settle_in(portal, page, name, place)
    page.context.close()
    desk.close_windows()
    return desk, places


def settle_in(portal: Portal, page: Page, name: str, place: Place) -> None:
    """Make the environment, its host, a service and a container of its own."""
    page.goto("/environments/new")
    page.fill("[name=name]", name)
    page.get_by_role("button", name="Create").click()
    page.wait_for_url(lambda url: not url.endswith("/new"))
    ((place.number,),) = until(
        lambda: portal.rows(f"SELECT id FROM environments_environment WHERE name = '{name}'"),  # noqa: S608 - ours
        seconds=20,
        what=name,
    )
    page.goto(f"/env/{place.number}/hosts")
    sent = {"url": f"sim://{place.mark}", "name": f"{place.mark}-host"}
    assert send(page, f"/env/{place.number}/hosts/new/address", sent) == 204
    key = json.loads(portal.manage("api_key", "--login", "root", "--environment", str(place.number)))
    place.api = Api(portal.base, key["accessKey"], key["secretKey"])
    place.host = int(until(lambda: place.api.get("hosts")["data"], seconds=20, what="a host")[0]["id"][2:])
    _stack, service = place.api.deploy(place.mark, f"{place.mark}-web", 2)
    place.service = int(service["id"][2:])
    memory = {"imageUuid": "docker:bb:local", "memory": place.memory}
    place.box = int(place.api.create("containers", name=f"{place.mark}-box", **memory)["id"][2:])
    place.api.until_running(place.mark, 3)


@contextmanager
def unrest(places: list[Place]) -> Iterator[None]:
    """Services of both environments grow and shrink meanwhile, so that there is always something to tell."""
    over = threading.Event()

    def stir(place: Place) -> None:
        scale = 2
        while not over.wait(0.3):
            scale = 5 - scale
            place.api.call("PUT", f"services/1s{place.service}", {"scale": scale})

    threads = [threading.Thread(target=stir, args=(place,), daemon=True) for place in places]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join(30)


@dataclass(frozen=True)
class Pace:
    """How two windows hop: `burst` hops 50 ms apart, then a rest (ms) on a list or on a page with charts."""

    seconds: float
    burst: int
    lists: int
    charts: int

    def script(self, paths: list[str], marks: dict[str, str]) -> str:
        """What every page of a window runs, from now on."""
        end, rests = (time.time() + self.seconds) * 1000, {"lists": self.lists, "charts": self.charts}
        told = {"paths": paths, "marks": marks, "end": end, "burst": self.burst, "rests": rests}
        return f"{HOPPING.strip()}({json.dumps(told)})"


FAST = Pace(SECONDS, burst=39, lists=400, charts=400)  # 39 and the 14 paths have no divisor in common
SLOW = Pace(max(20, SECONDS / 2), burst=1, lists=900, charts=3000)  # charts rest as long as two samples take


@pytest.mark.parametrize("pace", [FAST, SLOW], ids=["fast", "slow"])
def test_nothing_of_one_environment_reaches_the_other(apart: tuple[Desk, list[Place]], pace: Pace):
    desk, places = apart
    marks = {str(place.number): place.mark for place in places}
    with unrest(places):
        windows = hop_about(desk, places, pace)
    told, points = Counter[str](), 0
    for gaps, heard in windows:
        log.info("%s hops, median %s ms; pages %s", len(gaps), median(gaps or [0]), dict(heard.shown))
        assert heard.leaks == []
        assert set(heard.shown) == set(marks), heard.shown
        assert pace is SLOW or median(gaps) < 75, gaps
        points += check_frames(desk.portal, heard, {str(place.number): place for place in places}, told)
    assert set(told) == set(marks)
    assert points > 0 or pace is FAST
    desk.close_windows()


def hop_about(desk: Desk, places: list[Place], pace: Pace) -> list[tuple[list[int], Heard]]:
    """The pauses (ms) between the hops of each of two windows, one where the other is not, and what it heard."""
    both = [path for pair in zip(*(place.paths for place in places), strict=True) for path in pair]
    windows = [(desk.window("root"), paths, Heard()) for paths in (both, [*both[1:], both[0]])]
    marks = {str(place.number): place.mark for place in places}
    for page, paths, heard in windows:
        heard.follow(page)
        page.add_init_script(pace.script(paths, marks))
        page.goto(paths[0], wait_until="commit")
    until_time = time.monotonic() + pace.seconds
    while time.monotonic() < until_time:
        windows[0][0].wait_for_timeout(200)
    return [(pauses_of(page), heard) for page, _paths, heard in windows]


def pauses_of(page: Page) -> list[int]:
    """The milliseconds between hops of a burst, once the window has come to rest; it is closed then."""
    page.wait_for_timeout(500)
    page.wait_for_load_state()
    gaps = str(page.evaluate("sessionStorage.getItem('gaps') ?? ''"))
    page.context.close()
    return [int(gap) for gap in gaps.split()]


def check_frames(portal: Portal, heard: Heard, places: dict[str, Place], told: Counter[str]) -> int:
    """Every frame that a socket received is about the environment whose page had opened it; how many had statistics.

    `told` counts the changes by environment.
    """
    owners = {
        (kind, key): str(environment)
        for kind, table in TABLES.items()
        for key, environment in portal.rows(f"SELECT id, environment_id FROM {table}")  # noqa: S608 - our own tables
    }
    points = 0
    for where, url, text in heard.frames:
        number = (re.match(r"/env/(\d+)/", where) or ["", ""])[1]
        asked, said = parse_qs(urlsplit(url).query), json.loads(text)
        foreign = [place.mark for other, place in places.items() if other != number and place.mark in text]
        assert foreign == [], (where, url, text)
        for kind, key in said.get("changes", ()):
            assert owners.get((kind, key), number) == asked["environment"][0], (where, url, text)
            told[asked["environment"][0]] += 1
        if "container" in asked and said.get("points"):
            owner = owners["container", int(asked["container"][0])]
            assert {point["memory_limit"] for point in said["points"]} == {places[owner].memory}
            points += 1
    return points
