"""Every type as a page in a browser: it opens, its forms answer, and saving one unchanged works."""

from __future__ import annotations

import html
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from apps.api.wire.context import caller_with_role
from apps.api.wire.examples import example_body
from apps.api.wire.resource import Resource, all_resources
from apps.core.ids import wire_id
from apps.environments.roles import ROLES
from tests.wire.html_forms import BROWSER, Forms

pytestmark = pytest.mark.faces

OWNER = caller_with_role(ROLES["owner"])
LISTED = [each for each in all_resources() if each.listable and each.may(OWNER, "r")]
# A token is how one logs in; what it creates is a session, and its form is the log-in page.
CREATABLE = [each for each in all_resources() if each.listable and each.may(OWNER, "c")]


@pytest.fixture
def browser(people: Any) -> Client:
    """Alice's browser, logged in to the console."""
    client = Client(enforce_csrf_checks=True, headers=BROWSER)
    client.force_login(people.alice, "apps.accounts.providers.LocalBackend")
    return client


@pytest.fixture
def base(lab: Any) -> str:
    return f"/v1/projects/{wire_id('a', lab.pk)}"


def page_of(browser: Client, path: str) -> str:
    answer = browser.get(path)
    assert answer.status_code == 200, (path, answer.content[:500])
    assert answer.headers["Content-Type"].startswith("text/html"), path
    return str(answer.content.decode())


def test_every_type_that_can_be_listed_has_a_page_with_the_request_itself(browser: Client, base: str, stack: Any):
    for each in LISTED:
        page = page_of(browser, f"{base}/{each.plural_name.lower()}")
        assert ("create-form" in Forms(page).found) == each.may(OWNER, "c"), each.name
        assert any(words[-1].endswith(f"/{each.plural_name.lower()}") for words in curls(page)), each.name


def curls(page: str) -> Iterator[list[str]]:
    """The requests for curl on a page, as a shell reads them."""
    for part in html.unescape(page).split('<pre tabindex="0">')[1:]:
        text = part.partition("</pre>")[0]
        if text.startswith("curl"):
            yield shlex.split(text)


def test_a_form_left_empty_is_refused_by_field_or_creates(browser: Client, base: str, host: Any):
    for each in CREATABLE:
        path = f"{base}/{each.plural_name.lower()}"
        form = Forms(page_of(browser, path)).found.get("create-form")
        assert form is not None, each.name
        answer = browser.post(form["action"], form["values"])
        assert answer.status_code in {201, 403, 405, 422}, (each.name, answer.status_code, answer.content[-2000:])


def test_an_example_to_be_copied_is_understood(browser: Client, base: str, host: Any):
    for each in CREATABLE:
        path = f"{base}/{each.plural_name.lower()}"
        body = example_body(each.fields, "c")
        answer = browser.post(
            path, body, "application/json", headers={"Accept": "application/json", "X-API-CSRF": _csrf(browser, path)}
        )
        assert answer.status_code < 500, (each.name, answer.content)
        assert answer.status_code != 400, (each.name, answer.content)


def _csrf(browser: Client, path: str) -> str:
    browser.get(path)
    return browser.cookies["CSRF"].value


def test_saving_a_row_unchanged_works(browser: Client, base: str, stack: Any):
    saved = []
    for each in LISTED:
        for url in rows_of(browser, base, each):
            form = Forms(page_of(browser, url)).found.get("edit-form")
            if form is not None:
                answer = browser.post(form["action"], form["values"])
                assert answer.status_code == 200, (url, answer.content[-3000:])
                saved.append(each.name)
    assert {"service", "host", "container", "environment"} <= set(saved)


def rows_of(browser: Client, base: str, each: Resource) -> list[str]:
    """The URLs of a few rows."""
    listed = browser.get(
        f"{base}/{each.plural_name.lower()}?limit=2", headers={**BROWSER, "Accept": "application/json"}
    )
    return [row["links"]["self"] for row in listed.json()["data"] if row.get("links", {}).get("self")]
