"""The API's own pages in a browser: walked through by links, objects made and deleted by their forms."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.browser_session import BrowserSession, OpenWindow
from tests.docker.portal_process import Api, wait_until

pytestmark = pytest.mark.browser


def test_a_stack_is_made_and_deleted_by_the_api_s_forms(page: Page, api: Api):
    page.goto("/v1")
    expect(page.locator("#content")).to_contain_text('"type": "apiVersion"')
    for path in ("/v1/projects", "/v1/projects/1a5", "/v1/projects/1a5/environments"):
        page.locator(f'#content a[href$="{path}"]').first.click()
    form = page.locator("#create-form")
    form.locator("[name=name]").fill("by-form")
    form.get_by_role("button", name="Create").click()
    expect(page.locator("#content")).to_contain_text('"name": "by-form"')
    made = next(row for row in api.get("environments")["data"] if row["name"] == "by-form")
    page.goto(f"/v1/projects/1a5/environments/{made['id']}")
    page.locator("#delete-form").get_by_role("button").click()
    expect(page.locator("#content")).to_contain_text(re.compile('"state": "(removing|removed|purg\\w+)"'))
    wait_until(lambda: api.reload(made)["state"] in {"removed", "purged"}, seconds=60, what="removed")


def test_a_refusal_is_shown_on_the_page(page: Page, browser_session: BrowserSession, api: Api):
    browser_session.allow_complaints("status of 422")
    page.goto("/v1/projects/1a5/environments")
    form = page.locator("#create-form")
    form.locator("[name=name]").fill("with spaces")
    form.get_by_role("button", name="Create").click()
    expect(page.locator("h1")).to_contain_text("422")
    expect(page.locator("#content")).to_contain_text('"fieldName": "name"')
    assert "with spaces" not in [row["name"] for row in api.get("environments")["data"]]


def test_every_object_s_page_leads_to_it_in_the_api(page: Page, api: Api, shop: object):
    page.goto("/env/5/stacks")
    page.locator("section.stack h2 a").first.click()
    page.get_by_role("link", name="API", exact=True).click()
    expect(page).to_have_url(re.compile(r"/v1/projects/1a5/environments/1e\d+$"))
    expect(page.locator("#content")).to_contain_text('"name": "shop"')


def test_an_anonymous_visitor_is_led_to_the_log_in(window: OpenWindow, browser_session: BrowserSession):
    browser_session.allow_complaints("status of 401")
    page = window()
    page.goto("/v1/projects/1a5/environments")
    page.get_by_role("link", name="Log in").click()
    expect(page).to_have_url(re.compile("/login"))
