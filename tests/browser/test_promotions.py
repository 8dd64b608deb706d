"""Promoting a stack with two people in two browsers: requested after a preview, approved, seen side by side."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.axe import violations
from tests.browser.browser_session import OpenWindow
from tests.browser.console_pages import too_wide
from tests.docker.portal_process import PASSWORD, Api

pytestmark = pytest.mark.browser

FILE = "web: {image: 'bb:local', command: [sleep, '99999'], stop_signal: SIGKILL}\n"


@pytest.fixture
def source(api: Api) -> Iterator[str]:
    """The page of a running stack."""
    made = api.create("environments", name="moved", dockerCompose=FILE, startOnCreate=True)
    api.until_running("moved_", 1)
    api.until_state(made, "active")
    yield f"/env/5/stacks/{re.sub(r'^[0-9]*[a-z]+', '', made['id'])}"
    api.delete(made)
    api.until_state(made, "removed", "purged", seconds=60)


def make_target(page: Page) -> str:
    """An environment whose promotions take a second person, and that person; its number."""
    page.goto("/environments/new")
    page.fill("[name=name]", "Prod")
    page.get_by_role("button", name="Create").click()
    page.wait_for_url(re.compile(r"/environments/\d+|/env/\d+"))
    found = re.search(r"/(?:environments|env)/(\d+)", page.url)
    assert found is not None
    page.goto("/admin/accounts/new")
    page.fill("[name=login]", "approver")
    page.fill("[name=password]", PASSWORD)
    page.get_by_role("button", name="Create").click()
    page.wait_for_url(re.compile("//[^/]+/$"))
    page.goto(f"/environments/{found[1]}")
    page.fill("[name=login]", "approver")
    page.locator("form:has([name=login]) [name=role]").select_option("owner")
    page.get_by_role("button", name="Add member").click()
    page.locator("tr[id^=member-]").filter(has_text="approver").wait_for()
    page.goto(f"/env/{found[1]}/promotion-rules")
    page.check("[name=needsApproval]")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved the rules for promotions.")).to_be_visible()
    return found[1]


def test_two_people_promote_a_stack(source: str, window: OpenWindow) -> None:
    page = window("root")
    target = make_target(page)
    page.goto(source)
    page.get_by_role("link", name="Promote").click()
    choice = page.locator("select[name=to]")
    if choice.count():
        choice.select_option(target)
        page.get_by_role("button", name="Continue").click()
    page.get_by_role("button", name="Preview").click()
    expect(page.locator("#stack-changes [data-change=create]")).to_contain_text("web")
    assert violations(page) == []
    assert too_wide(page) == []
    page.get_by_role("button", name="Request").click()
    expect(page.locator(".page-head .state").first).to_have_text("waiting-for-approval")
    expect(page.get_by_role("button", name="Approve")).to_have_attribute("aria-disabled", "true")

    other = window("approver")
    other.goto("/promotions")
    other.get_by_role("link", name="moved").click()
    assert violations(other) == []
    other.get_by_role("button", name="Approve").click()
    expect(other.locator(".page-head .state").first).not_to_have_text("waiting-for-approval")
    expect(other.get_by_text("Approved by")).to_be_visible()

    page.goto("/where?q=moved")
    row = page.get_by_role("row").filter(has_text="moved")
    expect(row.locator("td a")).to_have_count(2)
    assert violations(page) == []
    assert too_wide(page) == []
