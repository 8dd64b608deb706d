"""Browser windows that are logged in, and everything that the browser complained about."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Error, Page, Playwright, expect

from tests.docker.portal_process import PASSWORD, PortalProcess

CHROMIUM = str(Path(__file__).with_name("deaf_chromium.py"))
OPTIONS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--no-proxy-server"]
DOCUMENT_MARK = "window.__mark"


class BrowserSession:
    """Chromium in front of one portal; `complaints` holds console errors and uncaught exceptions."""

    def __init__(self, playwright: Playwright, portal: PortalProcess) -> None:
        self.portal = portal
        self.chromium: Browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        self.complaints: list[str] = []
        self._forgiven: list[re.Pattern[str]] = []
        self._sessions: dict[str, Any] = {}
        self._windows: list[BrowserContext] = []

    def window(self, login: str = "", **options: Any) -> Page:
        """A new browser window; with a log-in name, one in which that account is logged in."""
        session = self._session(login) if login else None
        context = self._context(storage_state=session, **options)
        return context.new_page()

    def _context(self, **options: Any) -> BrowserContext:
        wide = {"viewport": {"width": 1440, "height": 900}, "base_url": self.portal.base}
        context = self.chromium.new_context(**{**wide, **options})
        context.set_default_timeout(30_000)
        context.on("console", lambda message: self._hear(message.type, message.text, message.page))
        context.on("weberror", lambda thrown: self._hear("error", str(thrown.error), thrown.page))
        self._windows.append(context)
        return context

    def _hear(self, kind: str, text: str, page: Page | None) -> None:
        if kind == "error" or "Content Security Policy" in text:
            self.complaints.append(f"{page.url if page else '?'}: {text}")

    def _session(self, login: str) -> Any:
        if login not in self._sessions:
            context = self._context()
            page = context.new_page()
            log_in(page, login)
            self._sessions[login] = context.storage_state()
            self._windows.remove(context)
            context.close()
        return self._sessions[login]

    def close_windows(self) -> None:
        """Close every window that is open."""
        while self._windows:
            self._windows.pop().close()

    def shown_texts(self) -> list[tuple[str, str]]:
        """The address and the visible text of every page that is open."""
        return [(page.url, _shown_text(page)) for context in self._windows for page in context.pages]

    def allow_complaints(self, *patterns: str) -> None:
        """Expect complaints in this test: browsers log a refused request as an error."""
        self._forgiven += [re.compile(each) for each in patterns]

    def start_test(self) -> None:
        """Forget complaints and expectations before a new test."""
        self.complaints, self._forgiven = [], []

    def unexpected_complaints(self) -> list[str]:
        """The complaints that no test expected."""
        return [text for text in self.complaints if not any(each.search(text) for each in self._forgiven)]

    def close(self) -> None:
        """Close the browser."""
        self.close_windows()
        self.chromium.close()


def _shown_text(page: Page) -> str:
    try:
        return page.locator("body").inner_text(timeout=2000)
    except Error as error:  # the page or its browser is gone, and that is worth knowing as well
        return f"(nothing: {error})"


def log_in(page: Page, login: str, password: str = PASSWORD) -> None:
    """Log in with the form of the log-in page."""
    page.goto("/login")
    page.fill("[name=login]", login)
    page.fill("[name=password]", password)
    page.click("button[type=submit]")
    page.wait_for_url(lambda url: "/login" not in url)


def mark(page: Page) -> None:
    """Mark the current document."""
    page.evaluate(f"{DOCUMENT_MARK} = true")


def is_marked(page: Page) -> bool:
    """Whether the marked document is still shown, neither reloaded nor left."""
    return bool(page.evaluate(f"{DOCUMENT_MARK} === true"))


def wait_until_live(page: Page) -> None:
    """Wait until the page is connected to live events."""
    expect(page.locator("#pulse")).to_have_attribute("data-pulse", "live")


def post_form(page: Page, path: str, form: dict[str, str] | None = None) -> int:
    """Post a form from inside the page without its buttons; returns the status (redirects are not followed)."""
    script = """async ([path, form]) => {
        const token = document.querySelector('meta[name="csrf-token"]').content;
        const headers = {"X-CSRFToken": token, "HX-Request": "true"};
        return (await fetch(path, {method: "POST", body: new URLSearchParams(form), headers})).status;
    }"""
    return int(page.evaluate(script, [path, form or {}]))


def record_frames(page: Page, part: str) -> list[Any]:
    """The JSON frames that sockets of the page receive from now on, where their address holds `part`."""
    frames: list[Any] = []

    def keep(data: str | bytes) -> None:
        if isinstance(data, str):
            frames.append(json.loads(data))

    def opened(socket: Any) -> None:
        if part in socket.url:
            socket.on("framereceived", keep)

    page.on("websocket", opened)
    return frames


OpenWindow = Callable[..., Page]
