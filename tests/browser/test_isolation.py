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

from tests.browser.browser_session import BrowserSession, post_form
from tests.docker.portal_process import Api, PortalProcess, wait_until

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
class Tenant:
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
        """The pages to switch between."""
        box = f"containers/{self.box}"
        pages = ["stacks", box, f"hosts/{self.host}", box, "containers", f"services/{self.service}", "hosts"]
        return [f"/env/{self.number}/{each}" for each in pages]


@dataclass
class WindowRecord:
    """What a window showed and its sockets received."""

    leaks: list[str] = field(default_factory=list)
    display_state: Counter[str] = field(default_factory=Counter)
    frames: list[tuple[str, str, str]] = field(default_factory=list)

    def follow(self, page: Page) -> None:
        """Keep every frame with the page's and the socket's address."""

        def opened(socket: Any) -> None:
            where = urlsplit(page.url).path
            socket.on("framereceived", lambda data: self.frames.append((where, socket.url, str(data))))

        page.on("websocket", opened)
        page.expose_function("leaked", self._leaked)
        page.expose_function("shown", lambda number: self.display_state.update([number]))

    def _leaked(self, text: str) -> None:
        self.leaks.append(text)


@pytest.fixture(scope="module")
def two_environments(
    new_portal: Callable[[str], PortalProcess], open_browser: Callable[[PortalProcess], BrowserSession]
) -> tuple[BrowserSession, list[Tenant]]:
    """A portal with two environments, each with a simulated engine of its own, and the browser before it."""
    portal = new_portal("unix:///nowhere/docker.sock")
    portal.start()
    portal.api()
    browser_session = open_browser(portal)
    page = browser_session.window("root")
    tenants = [Tenant("alphamark", 64 << 20), Tenant("betamark", 128 << 20)]
    for name, tenant in zip(("North", "South"), tenants, strict=True):
        prepare_environment(portal, page, name, tenant)
    page.context.close()
    browser_session.close_windows()
    return browser_session, tenants


def prepare_environment(portal: PortalProcess, page: Page, name: str, tenant: Tenant) -> None:
    """Make the environment, its host, a service and a container of its own."""
    page.goto("/environments/new")
    page.fill("[name=name]", name)
    page.get_by_role("button", name="Create").click()
    page.wait_for_url(lambda url: not url.endswith("/new"))
    ((tenant.number,),) = wait_until(
        lambda: portal.rows(f"SELECT id FROM environments_environment WHERE name = '{name}'"),  # noqa: S608 - ours
        seconds=60,
        what=name,
    )
    page.goto(f"/env/{tenant.number}/hosts")
    sent = {"url": f"sim://{tenant.mark}", "name": f"{tenant.mark}-host"}
    assert post_form(page, f"/env/{tenant.number}/hosts/new/address", sent) == 204
    key = json.loads(portal.manage("api_key", "--login", "root", "--environment", str(tenant.number)))
    tenant.api = Api(portal.base, key["accessKey"], key["secretKey"])
    tenant.host = int(wait_until(lambda: tenant.api.get("hosts")["data"], seconds=60, what="a host")[0]["id"][2:])
    _stack, service = tenant.api.deploy(tenant.mark, f"{tenant.mark}-web", 2)
    tenant.service = int(service["id"][2:])
    memory = {"imageUuid": "docker:bb:local", "memory": tenant.memory}
    tenant.box = int(tenant.api.create("containers", name=f"{tenant.mark}-box", **memory)["id"][2:])
    tenant.api.until_running(tenant.mark, 3)


@contextmanager
def scaling_services(tenants: list[Tenant]) -> Iterator[None]:
    """Services of both environments grow and shrink meanwhile, so that there is always something to tell."""
    over = threading.Event()

    def stir(tenant: Tenant) -> None:
        scale = 2
        while not over.wait(0.3):
            scale = 5 - scale
            tenant.api.call("PUT", f"services/1s{tenant.service}", {"scale": scale})

    threads = [threading.Thread(target=stir, args=(tenant,), daemon=True) for tenant in tenants]
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
        events_seen = {"paths": paths, "marks": marks, "end": end, "burst": self.burst, "rests": rests}
        return f"{HOPPING.strip()}({json.dumps(events_seen)})"


FAST = Pace(SECONDS, burst=39, lists=400, charts=400)  # 39 and the 14 paths have no divisor in common
SLOW = Pace(max(20, SECONDS / 2), burst=1, lists=900, charts=3000)  # charts rest as long as two samples take


@pytest.mark.parametrize("pace", [FAST, SLOW], ids=["fast", "slow"])
def test_nothing_of_one_environment_reaches_the_other(
    two_environments: tuple[BrowserSession, list[Tenant]], pace: Pace
):
    browser_session, tenants = two_environments
    marks = {str(tenant.number): tenant.mark for tenant in tenants}
    with scaling_services(tenants):
        windows = hop_pages(browser_session, tenants, pace)
    events_seen, points = Counter[str](), 0
    for gaps, record in windows:
        log.info("%s hops, median %s ms; pages %s", len(gaps), median(gaps or [0]), dict(record.display_state))
        assert record.leaks == []
        assert set(record.display_state) == set(marks), record.display_state
        assert pace is SLOW or median(gaps) < 75, gaps
        points += check_frames(
            browser_session.portal, record, {str(tenant.number): tenant for tenant in tenants}, events_seen
        )
    assert set(events_seen) == set(marks)
    assert points > 0 or pace is FAST
    browser_session.close_windows()


def hop_pages(
    browser_session: BrowserSession, tenants: list[Tenant], pace: Pace
) -> list[tuple[list[int], WindowRecord]]:
    """The pauses (ms) between the hops of each of two windows, one where the other is not, and what it heard."""
    both = [path for pair in zip(*(tenant.paths for tenant in tenants), strict=True) for path in pair]
    windows = [(browser_session.window("root"), paths, WindowRecord()) for paths in (both, [*both[1:], both[0]])]
    marks = {str(tenant.number): tenant.mark for tenant in tenants}
    for page, paths, record in windows:
        record.follow(page)
        page.add_init_script(pace.script(paths, marks))
        page.goto(paths[0], wait_until="commit")
    until_time = time.monotonic() + pace.seconds
    while time.monotonic() < until_time:
        windows[0][0].wait_for_timeout(200)
    return [(pauses_of(page), record) for page, _paths, record in windows]


def pauses_of(page: Page) -> list[int]:
    """The milliseconds between hops of a burst, once the window has come to rest; it is closed then."""
    page.wait_for_timeout(500)
    page.wait_for_load_state()
    gaps = str(page.evaluate("sessionStorage.getItem('gaps') ?? ''"))
    page.context.close()
    return [int(gap) for gap in gaps.split()]


def check_frames(
    portal: PortalProcess, record: WindowRecord, tenants: dict[str, Tenant], events_seen: Counter[str]
) -> int:
    """Every frame that a socket received is about the environment whose page had opened it; how many had statistics.

    `events_seen` counts the changes by environment.
    """
    owners = {
        (kind, key): str(environment)
        for kind, table in TABLES.items()
        for key, environment in portal.rows(f"SELECT id, environment_id FROM {table}")  # noqa: S608 - our own tables
    }
    points = 0
    for where, url, text in record.frames:
        number = (re.match(r"/env/(\d+)/", where) or ["", ""])[1]
        parameters, message = parse_qs(urlsplit(url).query), json.loads(text)
        foreign = [tenant.mark for other, tenant in tenants.items() if other != number and tenant.mark in text]
        assert foreign == [], (where, url, text)
        for kind, key in message.get("changes", ()):
            assert owners.get((kind, key), number) == parameters["environment"][0], (where, url, text)
            events_seen[parameters["environment"][0]] += 1
        if "container" in parameters and message.get("points"):
            owner = owners["container", int(parameters["container"][0])]
            assert {point["memory_limit"] for point in message["points"]} == {tenants[owner].memory}
            points += 1
    return points
