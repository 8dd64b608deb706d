"""Nginx of the library is launched, upgraded, and the upgrade finished, in the browser and on a real engine."""

from __future__ import annotations

import re
from collections.abc import Iterator

import docker
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.axe import violations
from tests.browser.browser_session import wait_until_live
from tests.browser.console_pages import too_wide
from tests.docker.portal_process import Api, free_port, wait_until

pytestmark = pytest.mark.browser

OLD, NEW = "1.26.2", "1.27.3"
STATE = ".page-head .state"


@pytest.fixture
def images(api: Api, terminal: docker.APIClient) -> Iterator[None]:
    """The tests' web server under the names that the template has; what was launched of it goes in the end."""
    for version in (OLD, NEW):
        terminal.tag("bb:local", "nginx", f"{version}-alpine")
    yield
    for row in api.get("environments?name=pages&removed_null=1")["data"]:
        api.delete(row)
        api.until_state(row, "removed", "purged", seconds=60)
    for version in (OLD, NEW):
        terminal.remove_image(f"nginx:{version}-alpine")


def assert_fine(page: Page) -> None:
    assert violations(page) == []
    assert too_wide(page) == []


def answer(page: Page, question: str) -> Locator:
    return page.locator(f"[name='answer.{question}']")


def running(terminal: docker.APIClient) -> list[str]:
    """The images of what runs of the stack."""
    return [str(each["Image"]) for each in terminal.containers(filters={"name": "pages_"})]


def open_template(page: Page) -> None:
    """From the navigation over the cards to the template."""
    page.goto("/env/5/stacks")
    page.get_by_role("navigation").get_by_role("link", name="Catalog", exact=True).first.click()
    wait_until_live(page)
    card = page.locator(".catalog .card").filter(has=page.get_by_text("Nginx", exact=True))
    expect(card).to_contain_text(NEW)
    assert_fine(page)
    card.get_by_role("link").click()
    expect(page.locator("#version-1")).to_contain_text("default")
    assert_fine(page)


def launch_old(page: Page, port: int) -> None:
    """Answer the questions of the older version, with the preview beside them, and launch it."""
    page.locator("#version-0").get_by_role("link", name="Launch").click()
    preview = page.locator("#template-preview")
    expect(preview).to_contain_text(f"nginx:{OLD}-alpine")
    answer(page, "scale").fill("0")
    expect(preview).to_contain_text("This must be at least 1.")
    answer(page, "scale").fill("1")
    answer(page, "http_port").fill(str(port))
    expect(preview).to_contain_text(f"{port}:80")
    preview.get_by_text("docker-compose.yml").click()
    expect(preview.locator("pre").first).to_contain_text("pages:/usr/share/nginx/html")
    assert_fine(page)
    page.fill("main [name=name]", "pages")
    page.locator("#launch").get_by_role("button", name="Launch", exact=True).click()
    expect(page).to_have_url(re.compile(r"/stacks/\d+$"))


def upgrade(page: Page) -> None:
    """From the stack to the newer version, of which the preview is looked at first."""
    page.locator("#of-template").get_by_role("link", name="Upgrade", exact=True).click()
    expect(page.locator("main [name=version]")).to_have_value("1")
    page.get_by_role("button", name="Preview", exact=True).click()
    changes = page.locator("#stack-changes")
    expect(changes.locator("[data-change=upgrade]")).to_contain_text("web")
    expect(changes).to_contain_text(f"nginx:{NEW}-alpine")
    assert_fine(page)
    page.get_by_role("button", name="Upgrade", exact=True).click()
    expect(page).to_have_url(re.compile(r"/stacks/\d+$"))


def test_an_application_is_launched_and_upgraded(page: Page, images: None, terminal: docker.APIClient) -> None:
    port = free_port()
    open_template(page)
    launch_old(page, port)
    expect(page.locator(STATE).first).to_have_text(re.compile("active|healthy"), timeout=60_000)
    of_template = page.locator("#of-template")
    expect(of_template).to_contain_text(f"Nginx {OLD}")
    expect(of_template).to_contain_text(f"Upgrade available: {NEW}")
    wait_until(lambda: running(terminal) == [f"nginx:{OLD}-alpine"], seconds=60, what="the older version")
    assert_fine(page)
    upgrade(page)
    expect(page.locator(STATE).first).to_have_text("upgraded", timeout=60_000)
    page.locator(".page-head").get_by_role("button", name="Finish upgrade").click()
    expect(page.locator(STATE).first).to_have_text(re.compile("active|healthy"), timeout=60_000)
    expect(of_template).to_contain_text("the newest version")
    assert running(terminal) == [f"nginx:{NEW}-alpine"]
    of_template.get_by_role("link", name="Change answers").click()
    expect(answer(page, "http_port")).to_have_value(str(port))
