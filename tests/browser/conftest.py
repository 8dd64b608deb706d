"""Chromium in front of a real portal with a real engine; nothing outlives the last of these tests."""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import docker
import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests.browser.desk import Desk, Window
from tests.docker.running import ROOT, Api, Portal
from tests.engine import PrivateEngine

HERE = Path(__file__).parent
WHAT_LASTS = pytest.StashKey[ExitStack]()

expect.set_options(timeout=15_000)


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """The portal and the browser end with the last of these tests: others use the engine, and loops of their own."""
    if nextitem is None or HERE not in nextitem.path.parents:
        item.config.stash.get(WHAT_LASTS, ExitStack()).close()


@pytest.fixture(scope="session")
def lasting(request: pytest.FixtureRequest, django_db_setup: None) -> Iterator[ExitStack]:
    """What is to be ended after the last browser test, and before the database: the browser has a loop here."""
    yield request.config.stash.setdefault(WHAT_LASTS, ExitStack())
    request.config.stash[WHAT_LASTS].close()


@pytest.fixture(scope="session")
def front_end() -> None:
    """The console's scripts and styles, built if nobody did."""
    if not (ROOT / "static/dist/manifest.json").exists():
        done = subprocess.run(["make", "assets"], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, f"The console could not be built (make assets): {done.stderr[-2000:]}"


@pytest.fixture(scope="session")
def new_portal(lasting: ExitStack, front_end: None) -> Callable[[str], Portal]:
    """Makes portals, each with an empty data folder."""
    folder = Path(lasting.enter_context(tempfile.TemporaryDirectory(prefix="corral-browser-")))
    made: list[Portal] = []

    def make(engine_url: str) -> Portal:
        portal = Portal(folder / f"portal{len(made)}", engine_url)
        portal.data_dir.mkdir()
        made.append(portal)
        lasting.callback(lambda: portal.process is None or portal.end(signal.SIGKILL))
        return portal

    return make


@pytest.fixture(scope="session")
def portal(engine: PrivateEngine, new_portal: Callable[[str], Portal], lasting: ExitStack) -> Portal:
    """A running portal that knows the engine, with the administrator `root`."""
    running = new_portal(engine.url)
    running.start()
    lasting.callback(lambda: running.process is None or running.end())
    return running


@pytest.fixture(scope="session")
def api(portal: Portal) -> Api:
    """A client with a key of the environment Default, once its host is there."""
    client = portal.api()
    client.until_state(_host(client), "active")
    return client


def _host(client: Api) -> Any:
    from tests.docker.running import until

    return until(lambda: client.get("hosts")["data"], seconds=20, what="a host")[0]


@pytest.fixture(scope="session")
def terminal(engine: PrivateEngine, lasting: ExitStack) -> docker.APIClient:
    """The engine as somebody at its own console uses it, past the portal."""
    client = docker.APIClient(base_url=engine.url, version="auto", timeout=60)
    lasting.callback(client.close)
    return client


@pytest.fixture(scope="session")
def chromium(lasting: ExitStack) -> Callable[[Portal], Desk]:
    """Opens Chromium in front of a portal."""
    assert shutil.which("chromium"), "Chromium is not installed (Debian's package chromium)."
    playwright = lasting.enter_context(sync_playwright())

    def open_at(portal: Portal) -> Desk:
        made = Desk(playwright, portal)
        lasting.callback(made.close)
        return made

    return open_at


@pytest.fixture(scope="session")
def the_desk(chromium: Callable[[Portal], Desk], portal: Portal, api: Api) -> Desk:
    """The browser in front of the portal."""
    return chromium(portal)


@pytest.fixture
def desk(the_desk: Desk) -> Iterator[Desk]:
    """The browser; no page may have complained by the end of a test."""
    the_desk.begin()
    yield the_desk
    the_desk.close_windows()
    assert the_desk.unforgiven() == []


@pytest.fixture
def window(desk: Desk) -> Window:
    """Opens a window for somebody: `window("root")`."""
    return desk.window


@pytest.fixture
def page(window: Window) -> Page:
    """The administrator's window."""
    return window("root")


@pytest.fixture(scope="session")
def shop(api: Api, lasting: ExitStack) -> Any:
    """A stack with a service of two running containers: its row and its service's."""
    stack, service = api.deploy("shop", "web", 2, environment={"TOKEN": "s3cret-value"})
    api.until_running("shop_web_", 2)
    return stack, api.until_state(service, "active")
