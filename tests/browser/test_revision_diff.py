"""The revisions of a service in the browser: what differs between two, and the way back to one."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.axe import violations
from tests.browser.browser_session import wait_until_live
from tests.browser.console_pages import too_wide
from tests.docker.portal_process import Api

pytestmark = pytest.mark.browser

STRATEGY = {"batchSize": 9, "intervalMillis": 100, "minReadySeconds": 0}
PHONE, DESK = {"width": 390, "height": 844}, {"width": 1280, "height": 900}


@pytest.fixture
def revisions(api: Api, page: Page) -> Iterator[Page]:
    """The revisions of a service that was upgraded twice."""
    stack, service = api.deploy("history", "web", 1, environment={"PIN": "value-one"})
    for change in ({"environment": {"PIN": "value-two"}}, {"hostname": "second"}):
        row = api.until_state(service, "active")
        config = {**row["launchConfig"], **change}
        api.act(row, "upgrade", inServiceStrategy={"launchConfig": config, **STRATEGY})
        api.act(api.until_state(service, "upgraded", seconds=60), "finishupgrade")
    api.until_state(service, "active")
    page.goto(f"/env/5/services/{re.sub(r'^[0-9]*[a-z]+', '', service['id'])}/revisions")
    wait_until_live(page)
    yield page
    page.set_viewport_size(DESK)
    page.goto("/env/5/stacks")
    api.delete(stack)


def test_any_two_are_compared_and_one_is_gone_back_to(revisions: Page) -> None:
    page = revisions
    difference = page.locator("#difference")
    expect(difference.get_by_role("heading")).to_have_text("From revision 2 to 3")
    expect(difference.get_by_role("row").filter(has_text="second")).to_contain_text("not there")
    difference.locator("[name=from]").select_option("1")
    expect(difference.get_by_role("heading")).to_have_text("From revision 1 to 3")
    expect(difference.get_by_role("row").filter(has_text="PIN")).to_contain_text("another value")
    expect(page.locator("main")).not_to_contain_text("value-one")
    assert violations(page) == []
    page.set_viewport_size(PHONE)
    assert too_wide(page) == []
    page.set_viewport_size(DESK)
    page.locator("a[href$='/revisions/1/return']").first.click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("row").filter(has_text="second")).to_contain_text("removed")
    dialog.locator("[name=minReady]").fill("0")
    dialog.locator("[name=interval]").fill("0.1")
    dialog.get_by_role("button", name="Go back").click()
    expect(page.locator(".page-head .state").first).to_have_text("upgraded", timeout=60_000)
