"""Upgrading a service in the browser: watched live until it is decided, then finished or rolled back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import docker
import pytest
from playwright.sync_api import Page, expect

from tests.browser.axe import violations
from tests.browser.browser_session import wait_until_live
from tests.browser.console_pages import too_wide
from tests.docker.portal_process import Api, wait_until

pytestmark = pytest.mark.browser

NOT_THERE = "127.0.0.1:1/an-organization/an-application/a-component:2026.11.29-build.1"
STATE = ".page-head .state"


@pytest.fixture(scope="module")
def second_image(terminal: docker.APIClient) -> str:
    """Another name of the engine's image: no registry is needed, and it is another configuration all the same."""
    assert terminal.tag("bb:local", "bb", "second")
    return "bb:second"


@pytest.fixture
def service_page(api: Api, page: Page, request: pytest.FixtureRequest) -> Iterator[Page]:
    """The page of an active service of two containers."""
    stack, service = api.deploy(f"up{abs(hash(request.node.name)) % 10_000}", "web", 2)
    service = api.until_state(service, "active")
    page.goto(f"/env/5/services/{number(service)}")
    wait_until_live(page)
    yield page
    api.delete(stack)


def number(row: Any) -> str:
    """The row's number in the console's addresses, from its v1 id."""
    return re.sub(r"^\d*[a-z]+", "", row["id"])


def upgrade(page: Page, image: str) -> None:
    """Fill in the form of the upgrade and wait until it is to be decided."""
    page.get_by_role("link", name="Upgrade", exact=True).click()
    expect(page.get_by_role("heading", name="Upgrade web")).to_be_visible()
    expect(page.locator("[name=image]")).to_have_value("bb:local")
    page.fill("[name=image]", image)
    page.fill("[name=interval]", "0.1")
    page.get_by_role("button", name="Upgrade", exact=True).click()
    expect(page).to_have_url(re.compile(r"/services/\d+$"))
    expect(page.locator(STATE).first).to_have_text("upgraded", timeout=60_000)
    expect(page.get_by_role("status").filter(has_text=f"Upgraded to {image}")).to_be_visible()


def images(terminal: docker.APIClient, stack: str, *, stopped: bool = False) -> list[str]:
    """The images of the stack's containers on the engine: of those that run, or of all."""
    return sorted(each["Image"] for each in terminal.containers(all=stopped, filters={"name": f"{stack}_web_"}))


def stack_name(page: Page) -> str:
    """The name of the service's stack, from the way that leads to it."""
    return page.locator(".crumbs a").last.inner_text()


def test_an_upgrade_is_finished(service_page: Page, terminal: docker.APIClient, second_image: str):
    upgrade(service_page, second_image)
    stack = stack_name(service_page)
    assert images(terminal, stack) == [second_image] * 2
    assert len(images(terminal, stack, stopped=True)) == 4  # the old ones wait, stopped
    service_page.get_by_role("button", name="Finish upgrade").click()
    expect(service_page.locator(STATE).first).to_have_text("active", timeout=30_000)
    wait_until(
        lambda: images(terminal, stack, stopped=True) == [second_image] * 2, seconds=60, what="the old ones are gone"
    )
    expect(service_page.get_by_role("button", name="Roll back")).to_have_count(0)


def test_an_upgrade_is_rolled_back(service_page: Page, terminal: docker.APIClient, second_image: str):
    upgrade(service_page, second_image)
    stack = stack_name(service_page)
    service_page.get_by_role("button", name="Roll back").click()
    expect(service_page.locator(STATE).first).to_have_text("active", timeout=60_000)
    wait_until(
        lambda: images(terminal, stack, stopped=True) == ["bb:local"] * 2, seconds=60, what="the old ones run again"
    )


def test_the_notes_on_an_upgrade_and_on_a_failing_pull_break_no_rule(service_page: Page, second_image: str):
    upgrade(service_page, second_image)
    assert violations(service_page) == []
    assert too_wide(service_page) == []
    service_page.get_by_role("button", name="Roll back").click()
    expect(service_page.locator(STATE).first).to_have_text("active", timeout=60_000)
    service_page.get_by_role("link", name="Upgrade", exact=True).click()
    expect(service_page.get_by_role("heading", level=1)).to_have_text("Upgrade web")
    assert violations(service_page) == []
    service_page.fill("[name=image]", NOT_THERE)
    service_page.get_by_role("button", name="Upgrade", exact=True).click()
    expect(service_page.locator(".note", has_text=NOT_THERE).first).to_be_visible(timeout=60_000)
    assert violations(service_page) == []
    assert too_wide(service_page) == []
    service_page.goto("/")
    expect(service_page.locator("main", has_text=NOT_THERE)).to_be_visible()
    assert violations(service_page) == []


def test_a_judged_upgrade_shows_old_against_new_and_is_decided_by_hand(service_page: Page, second_image: str):
    page = service_page
    page.get_by_role("link", name="Upgrade", exact=True).click()
    page.fill("[name=image]", second_image)
    page.select_option("[name=order]", "start-first")
    page.check("[name=verdict]")
    page.fill("[name=verdictMinutes]", "5")
    page.get_by_role("button", name="Upgrade", exact=True).click()
    card = page.locator("#upgrade-verdict")
    expect(card.get_by_role("status")).to_have_text("Watching", timeout=60_000)
    expect(card.get_by_role("row").filter(has_text="Restarts")).to_contain_text("not worse", timeout=60_000)
    expect(card).to_contain_text("left")
    assert violations(page) == []
    assert too_wide(page) == []
    card.get_by_role("button", name="Cancel upgrade").click()
    expect(page.locator(STATE).first).to_have_text("canceled-upgrade", timeout=60_000)
    card.get_by_role("button", name="Roll back").click()
    expect(page.locator(STATE).first).to_have_text("active", timeout=60_000)
    # Noticed by the next look of the loop, or of the job that looks every half minute.
    expect(card.get_by_role("status")).to_have_text("Decided by hand", timeout=60_000)
