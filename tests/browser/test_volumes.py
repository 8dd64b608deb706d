"""Volumes in the browser: found in the list, looked into, a file downloaded, and deleted with its name typed."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from playwright.sync_api import Page, expect

from tests.browser.axe import violations
from tests.browser.browser_session import BrowserSession
from tests.browser.console_pages import too_wide
from tests.docker.portal_process import Api, wait_until

pytestmark = pytest.mark.browser

WRITE = "mkdir -p /d/logs; printf hello > /d/logs/app.log; head -c 20000 /dev/zero > /d/big.bin; ln -s /etc /d/out"


@pytest.fixture
def volume(api: Api, terminal: docker.APIClient) -> Iterator[str]:
    """A volume with files that the engine was given by hand, and that the portal has found."""
    mount = terminal.create_host_config(binds=["ledger:/d"])
    made = terminal.create_container("bb:local", ["sh", "-c", WRITE], host_config=mount)
    terminal.start(made)
    terminal.wait(made, timeout=30)
    terminal.remove_container(made)
    wait_until(lambda: api.get("volumes?name=ledger&state=inactive")["data"], seconds=60, what="the volume")
    yield "ledger"
    with contextlib.suppress(docker.errors.NotFound):
        terminal.remove_volume("ledger", force=True)


def test_a_volume_is_found_looked_into_and_deleted(
    page: Page, browser_session: BrowserSession, volume: str, terminal: docker.APIClient
) -> None:
    browser_session.allow_complaints(r"\(Not Found\)")  # the page of the volume, which is refreshed once more
    page.goto("/env/5/hosts")
    page.keyboard.press("g")
    page.keyboard.press("v")
    page.get_by_role("link", name=volume, exact=True).click()
    expect(page.get_by_text("Nothing uses it.")).to_be_visible()
    page.get_by_role("link", name="Browse files").click()
    expect(page.get_by_text("out → /etc")).to_be_visible()
    assert violations(page) == []
    page.set_viewport_size({"width": 390, "height": 844})
    assert too_wide(page) == []
    page.set_viewport_size({"width": 1280, "height": 900})
    page.get_by_role("link", name="logs", exact=True).click()
    with page.expect_download() as started:
        page.get_by_role("link", name="Download app.log").click()
    assert Path(started.value.path()).read_bytes() == b"hello"
    page.get_by_label("Path", exact=True).get_by_role("link", name=volume).click()
    expect(page.get_by_text("big.bin", exact=True)).to_be_visible()
    page.get_by_label("breadcrumb").or_(page.locator(".crumbs")).first.get_by_role("link", name=volume).click()
    page.get_by_role("link", name="Delete").click()
    page.fill("[name=confirm]", volume)
    page.get_by_role("button", name="Delete").click()
    expect(page).to_have_url(re.compile(r"/volumes$"))
    wait_until(lambda: volume not in _names(terminal), seconds=60, what="the end of the volume")
    assert [each for each in terminal.containers(all=True) if "corral-reader" in str(each["Names"])] == []


def _names(terminal: docker.APIClient) -> list[str]:
    return [each["Name"] for each in terminal.volumes()["Volumes"] or ()]
