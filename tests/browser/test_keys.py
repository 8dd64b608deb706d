"""The API-key page: a key is made, shown once, used, switched off and deleted."""

from __future__ import annotations

import re

import pytest
import requests
from playwright.sync_api import Page, expect

from tests.browser.browser_session import BrowserSession
from tests.docker.portal_process import PortalProcess

pytestmark = pytest.mark.browser


def request_status(portal: PortalProcess, key: tuple[str, str], project: str = "") -> int:
    """The status that a program with that key gets."""
    with requests.Session() as program:
        program.trust_env = False
        path = f"/v1/projects/{project}/containers" if project else "/v1/projects"
        return program.get(f"{portal.base}{path}", auth=key, timeout=60).status_code


@pytest.mark.parametrize(
    ("path", "project"), [("/env/5/keys", "1a5"), ("/account/keys", "")], ids=["environment", "account"]
)
def test_the_life_of_a_key(page: Page, portal: PortalProcess, path: str, project: str):
    page.goto(path)
    page.get_by_role("link", name="Add key").first.click()
    page.fill("#dialog [name=name]", "robot")
    page.locator("#dialog").get_by_role("button", name="Create").click()
    secret = page.locator("[data-secret] code")
    expect(secret).to_have_text(re.compile(r"^\w{40}$"))
    expect(page.locator("[data-access] code")).to_have_text(re.compile(r"^[0-9A-F]{20}$"))
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator("[data-secret] button").click()
    assert page.evaluate("navigator.clipboard.readText()") == secret.inner_text()
    key = (page.locator("[data-access] code").inner_text(), secret.inner_text())
    assert request_status(portal, key, project) == 200

    page.goto(path)  # shown once
    row = page.locator("tr[id^=key-]").filter(has_text="robot")
    expect(row).to_contain_text(key[0])
    assert key[1] not in page.content()
    row.get_by_role("button", name="Deactivate").click()
    expect(row.locator(".state")).to_have_text("inactive")
    assert request_status(portal, key, project) == 401
    row.get_by_role("button", name="Activate").click()
    expect(row.locator(".state")).to_have_text("active")
    assert request_status(portal, key, project) == 200
    expect(row.locator("[data-action=remove]")).to_have_attribute("title", re.compile("Delete: .*active"))
    row.get_by_role("button", name="Deactivate").click()
    row.get_by_role("link", name="Delete").click()
    page.locator("#dialog").get_by_role("button", name="Delete").click()
    expect(row).to_have_count(0)
    assert request_status(portal, key, project) == 401


def test_a_key_is_held_to_less_later(page: Page, portal: PortalProcess, browser_session: BrowserSession):
    browser_session.allow_complaints("status of 422")
    page.goto("/env/5/keys")
    page.get_by_role("link", name="Add key").first.click()
    page.fill("#dialog [name=name]", "roamer")
    page.locator("#dialog").get_by_role("button", name="Create").click()
    pair = [page.locator(f"[data-{each}] code") for each in ("access", "secret")]
    expect(pair[1]).to_have_text(re.compile(r"^\w{40}$"))
    key = (pair[0].inner_text(), pair[1].inner_text())
    page.goto("/env/5/keys")
    row = page.locator("tr[id^=key-]").filter(has_text="roamer")
    row.get_by_role("link", name="Edit").click()
    dialog = page.locator("#dialog")
    expect(dialog.locator("[name=until]")).to_be_hidden()
    dialog.locator("[name=role]").select_option("readonly")
    dialog.locator("[name=expires]").select_option("at")
    expect(dialog.locator("[name=until]")).to_be_visible()
    dialog.locator("[name=until]").fill("2090-01-02T03:04")
    dialog.locator("[name=addresses]").fill("nowhere")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.locator(".wrong")).to_contain_text("is not an address")
    dialog.locator("[name=addresses]").fill("192.0.2.0/24")
    dialog.get_by_role("button", name="Save").click()
    expect(row).to_contain_text("192.0.2.0/24")
    expect(row).to_contain_text("readonly")
    expect(row).to_contain_text("2090-01-02 03:04")
    assert request_status(portal, key, "1a5") == 401
