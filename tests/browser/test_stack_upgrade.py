"""Upgrading a stack by its file in the browser: looked at, applied, finished; and another one rolled back."""

from __future__ import annotations

import re
from collections.abc import Iterator

import docker
import pytest
from playwright.sync_api import Page, expect

from tests.browser.axe import violations
from tests.browser.browser_session import wait_until_live
from tests.browser.console_pages import too_wide
from tests.docker.portal_process import Api, wait_until

pytestmark = pytest.mark.browser

SLEEP = "command: [sleep, '99999'], stop_signal: SIGKILL"
BEFORE = f"web: {{image: 'bb:local', {SLEEP}}}\ndb: {{image: 'bb:local', {SLEEP}}}\n"
AFTER = f"web: {{image: 'bb:local', {SLEEP}, hostname: second}}\nqueue: {{image: 'bb:local', {SLEEP}}}\n"
FAST = "web:\n  upgrade_strategy: {interval_millis: 100, min_ready_seconds: 0}\n"
STATE = ".page-head .state"


@pytest.fixture
def stack_page(api: Api, page: Page) -> Iterator[Page]:
    """The page of a running stack of two services."""
    made = api.create("environments", name="filed", dockerCompose=BEFORE, startOnCreate=True)
    api.until_running("filed_", 2)
    api.until_state(made, "active")
    page.goto(f"/env/5/stacks/{re.sub(r'^[0-9]*[a-z]+', '', made['id'])}")
    wait_until_live(page)
    yield page
    page.goto("/env/5/stacks")
    api.delete(made)
    api.until_state(made, "removed", "purged", seconds=60)


def upgrade(page: Page) -> None:
    """Edit the files, look at what becomes of each service, and apply it."""
    page.get_by_role("link", name="Compose files").click()
    page.get_by_role("link", name="Edit and upgrade").click()
    expect(page.locator("[name=dockerCompose]")).to_have_value(re.compile("image: bb:local"))
    page.fill("[name=dockerCompose]", AFTER)
    page.fill("[name=rancherCompose]", FAST)
    page.check("[name=removeMissing]")
    page.get_by_role("button", name="Preview").click()
    changes = page.locator("#stack-changes")
    for what, name in (("upgrade", "web"), ("create", "queue"), ("remove", "db")):
        expect(changes.locator(f"[data-change={what}]")).to_contain_text(name)
    expect(changes.get_by_role("row").filter(has_text="Host name")).to_contain_text("second")
    assert violations(page) == []
    assert too_wide(page) == []
    page.get_by_role("button", name="Upgrade", exact=True).click()
    expect(page).to_have_url(re.compile(r"/stacks/\d+$"))
    expect(page.locator(STATE).first).to_have_text("upgraded", timeout=60_000)


def names(terminal: docker.APIClient) -> list[str]:
    """What of the stack runs on the engine, by service."""
    listed = terminal.containers(filters={"name": "filed_"})
    return sorted(each["Labels"]["io.rancher.stack_service.name"] for each in listed)


def test_it_is_looked_at_applied_and_finished(stack_page: Page, terminal: docker.APIClient) -> None:
    upgrade(stack_page)
    assert names(terminal) == ["filed/queue", "filed/web"]
    stack_page.locator(".page-head").get_by_role("button", name="Finish upgrade").click()
    expect(stack_page.locator(STATE).first).to_have_text("active", timeout=60_000)
    expect(stack_page.locator("main a.name").filter(has_text=re.compile("^db$"))).to_have_count(0)


def test_it_is_rolled_back(stack_page: Page, terminal: docker.APIClient) -> None:
    upgrade(stack_page)
    stack_page.locator(".page-head").get_by_role("button", name="Roll back").click()
    expect(stack_page.locator(STATE).first).to_have_text("active", timeout=60_000)
    wait_until(lambda: names(terminal) == ["filed/db", "filed/web"], seconds=60, what="what was there before")
