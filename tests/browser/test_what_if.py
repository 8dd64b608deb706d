"""What if, in the browser: a scale and a lost host are tried, and nothing is touched."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import docker
import pytest
from playwright.sync_api import Page, expect

from tests.browser.axe import violations
from tests.browser.console_pages import too_wide
from tests.docker.portal_process import Api

pytestmark = pytest.mark.browser


@pytest.fixture
def service(api: Api) -> Iterator[Any]:
    """Two containers on the only host."""
    stack, row = api.deploy("asked", "web", 2)
    yield api.until_state(row, "active")
    api.delete(stack)


def number(row: Any) -> str:
    return re.sub(r"^\d*[a-z]+", "", row["id"])


def card(page: Page, title: str) -> Any:
    return page.locator(".card").filter(has=page.get_by_role("heading", name=re.compile(f"^{title}")))


def test_a_scale_and_a_lost_host_are_tried(page: Page, api: Api, service: Any, terminal: docker.APIClient) -> None:
    page.goto(f"/env/5/services/{number(service)}")
    page.get_by_role("link", name="What if", exact=True).click()
    page.fill("[name=scale]", "4")
    page.get_by_role("button", name="Ask").click()
    settled = card(page, "Placed on a host")
    expect(settled.locator("tbody tr")).to_have_count(2)
    expect(settled).to_contain_text("asked_web_3")
    page.fill("[name=scale]", "1")
    page.get_by_role("button", name="Ask").click()
    expect(card(page, "Removed").locator("tbody tr")).to_have_count(1)
    host = next(each for each in api.get("hosts")["data"] if each["state"] == "active")
    page.goto(f"/env/5/hosts/{number(host)}/what-if")
    page.get_by_role("button", name="Ask").click()
    lost = card(page, "Not replaced")
    expect(lost).to_contain_text("asked_web_1")
    assert violations(page) == []
    page.set_viewport_size({"width": 390, "height": 844})
    assert too_wide(page) == []
    page.set_viewport_size({"width": 1280, "height": 900})
    assert len(terminal.containers(filters={"name": "asked_web_"})) == 2, "nothing was touched"
