"""Chromium in front of a real portal with a real engine; nothing outlives the last of these tests."""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import docker
import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests.browser.browser_session import BrowserSession, OpenWindow
from tests.docker.portal_process import ROOT, Api, PortalProcess
from tests.engine import PrivateEngine
from tests.vault.issuing import issue

HERE = Path(__file__).parent
WHAT_LASTS = pytest.StashKey[ExitStack]()

expect.set_options(timeout=30_000)


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """The portal and the browser end with the last of these tests: others use the engine, and loops of their own."""
    if nextitem is None or HERE not in nextitem.path.parents:
        item.config.stash.get(WHAT_LASTS, ExitStack()).close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failed test shows what its pages said: why an element is missing is seldom in the error."""
    report = yield
    session = getattr(item, "funcargs", {}).get("browser_session")
    if report.when == "call" and report.failed and session is not None:
        report.sections += [(f"Page {url}", words) for url, words in session.shown_texts()]
    return report


@pytest.fixture(scope="session")
def session_stack(request: pytest.FixtureRequest, django_db_setup: None) -> Iterator[ExitStack]:
    """Closed after the last browser test and before the database, because the browser runs an event loop here."""
    yield request.config.stash.setdefault(WHAT_LASTS, ExitStack())
    request.config.stash[WHAT_LASTS].close()


@pytest.fixture(scope="session")
def front_end() -> None:
    """The scripts and styles of the console, built if they are not there."""
    if not (ROOT / "static/dist/manifest.json").exists():
        done = subprocess.run(["make", "assets"], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, f"The console could not be built (make assets): {done.stderr[-2000:]}"


@pytest.fixture(scope="session")
def new_portal(session_stack: ExitStack, front_end: None) -> Callable[[str], PortalProcess]:
    """Makes portals, each with an empty data folder."""
    folder = Path(session_stack.enter_context(tempfile.TemporaryDirectory(prefix="corral-browser-")))
    made: list[PortalProcess] = []

    def make(engine_url: str) -> PortalProcess:
        portal = PortalProcess(folder / f"portal{len(made)}", engine_url)
        portal.data_dir.mkdir()
        made.append(portal)
        session_stack.callback(lambda: portal.process is None or portal.end(signal.SIGKILL))
        return portal

    return make


@pytest.fixture(scope="session")
def portal(
    engine: PrivateEngine, new_portal: Callable[[str], PortalProcess], session_stack: ExitStack
) -> PortalProcess:
    """A running portal that knows the engine, with the administrator `root`."""
    running = new_portal(engine.url)
    running.start()
    session_stack.callback(lambda: running.process is None or running.end())
    return running


@pytest.fixture(scope="session")
def api(portal: PortalProcess) -> Api:
    """A client with a key of the environment Default, once its host is there."""
    client = portal.api()
    client.until_state(_host(client), "active")
    return client


def _host(client: Api) -> Any:
    from tests.docker.portal_process import wait_until

    return wait_until(lambda: client.get("hosts")["data"], seconds=60, what="a host")[0]


@pytest.fixture(scope="session")
def terminal(engine: PrivateEngine, session_stack: ExitStack) -> docker.APIClient:
    """The engine used directly, not through the portal."""
    client = docker.APIClient(base_url=engine.url, version="auto", timeout=60)
    session_stack.callback(client.close)
    return client


@pytest.fixture(scope="session")
def open_browser(session_stack: ExitStack) -> Callable[[PortalProcess], BrowserSession]:
    """Opens Chromium in front of a portal."""
    assert shutil.which("chromium"), "Chromium is not installed (Debian's package chromium)."
    playwright = session_stack.enter_context(sync_playwright())

    def open_at(portal: PortalProcess) -> BrowserSession:
        made = BrowserSession(playwright, portal)
        session_stack.callback(made.close)
        return made

    return open_at


@pytest.fixture(scope="session")
def shared_browser_session(
    open_browser: Callable[[PortalProcess], BrowserSession], portal: PortalProcess, api: Api
) -> BrowserSession:
    """The browser in front of the portal."""
    return open_browser(portal)


@pytest.fixture
def browser_session(shared_browser_session: BrowserSession) -> Iterator[BrowserSession]:
    """The browser; no page may have complained by the end of a test."""
    shared_browser_session.start_test()
    yield shared_browser_session
    shared_browser_session.close_windows()
    assert shared_browser_session.unexpected_complaints() == []


@pytest.fixture
def window(browser_session: BrowserSession) -> OpenWindow:
    """Opens a window for somebody: `window("root")`."""
    return browser_session.window


@pytest.fixture
def page(window: OpenWindow) -> Page:
    """The administrator's window."""
    return window("root")


@pytest.fixture(scope="session")
def shop(api: Api, session_stack: ExitStack) -> Any:
    """A stack with a service of two running containers, and a certificate: the rows of stack and service."""
    odd = issue("shop.example.org", names=[], days=9)  # with warnings on its page
    api.create("certificates", name="shop", cert=odd.cert, key=odd.key_text)
    stack, service = api.deploy("shop", "web", 2, environment={"TOKEN": "s3cret-value"})
    api.until_running("shop_web_", 2)
    return stack, api.until_state(service, "active")
