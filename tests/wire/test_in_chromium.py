"""In a real browser, the API's HTML pages create and delete an object with their forms."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from playwright.sync_api import Page, sync_playwright

from apps.core.ids import wire_id
from tests.wire.api_client import run_until_idle

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> Iterator[Page]:
    """A page in the distribution's Chromium."""
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")  # the browser's driver runs a loop in this thread
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        yield chromium.new_page()
        chromium.close()


def test_a_stack_is_created_and_deleted_with_the_forms(live_server: Any, people: Any, lab: Any, page: Page):
    client = Client()
    client.force_login(people.alice, "apps.accounts.providers.LocalBackend")
    session = client.cookies[settings.SESSION_COOKIE_NAME].value
    page.context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": live_server.url}])
    page.goto(f"{live_server.url}/v1")
    assert "apiVersion" in page.inner_text("#content")
    page.goto(f"{live_server.url}/v1/projects")
    page.click(f"#content a[href$='/projects/{wire_id('a', lab.pk)}']")
    page.click("#content a[href$='/environments']")
    page.fill("#create-form input[name=name]", "from-chromium")
    page.click("#create-form button")
    page.wait_for_selector("text=201 Created")
    run_until_idle()
    page.click("#content a[href*='/environments/1e'] >> nth=0")
    assert '"state": "active"' in page.inner_text("#content")
    page.click("button[value=deactivateservices]")
    page.wait_for_selector("text=202 Accepted")
    page.click("#delete-form button")
    page.wait_for_selector("text=200 OK")
    assert '"state": "removing"' in page.inner_text("#content")
    run_until_idle()
    page.goto(page.url)
    assert '"state": "removed"' in page.inner_text("#content")
