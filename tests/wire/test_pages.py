"""The API in a browser: pages with links and working forms, from the same declarations."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client

from apps.core.ids import wire_id
from tests.wire.api_client import run_until_idle
from tests.wire.html_forms import BROWSER, Forms


@pytest.fixture
def browser(people: Any) -> Client:
    """Alice's browser, logged in to the console."""
    client = Client(enforce_csrf_checks=True, headers=BROWSER)
    client.force_login(people.alice, "apps.accounts.providers.LocalBackend")
    return client


def _submit(browser: Client, form: dict[str, Any], **values: str) -> Any:
    assert form["method"] == "post"
    return browser.post(form["action"], {**form["values"], **values})


def test_a_form_creates_an_object_and_another_deletes_it(browser: Client, lab: Any):
    path = f"/v1/projects/{wire_id('a', lab.pk)}/environments"
    page = browser.get(path)
    assert page.headers["Content-Type"].startswith("text/html")
    made = _submit(browser, Forms(page.content.decode()).found["create-form"], name="by-form", environment='{"A": "b"}')
    assert made.status_code == 201, made.content
    url = next(link for link in Forms(made.content.decode()).links if re.search(r"/environments/1e\d+$", link))
    run_until_idle()
    item = browser.get(url)
    forms = Forms(item.content.decode()).found
    assert {"activateservices", "edit-form", "delete-form", "action-exportconfig"} <= set(forms)
    saved = _submit(browser, forms["edit-form"], description="<b>new</b>")
    assert saved.status_code == 200
    assert b"&lt;b&gt;new" in saved.content
    assert b"<b>new" not in saved.content
    run_until_idle()
    deleted = _submit(browser, forms["delete-form"])
    assert deleted.status_code == 200
    assert b"removing" in deleted.content


def test_json_in_a_form_creates_an_object_too(browser: Client, lab: Any, host: Any):
    path = f"/v1/projects/{wire_id('a', lab.pk)}/containers"
    form = Forms(browser.get(path).content.decode()).found["create-raw"]
    made = _submit(browser, form, _body='{"name": "raw", "imageUuid": "docker:sim/x:1"}')
    assert made.status_code == 201
    bad = _submit(browser, form, _body='{"name": ')
    assert bad.status_code == 422
    assert b"InvalidBodyContent" in bad.content


def test_form_fields_of_lists_and_maps_are_parsed_line_by_line_or_as_json(browser: Client, lab: Any, host: Any):
    path = f"/v1/projects/{wire_id('a', lab.pk)}/containers"
    form = Forms(browser.get(path).content.decode()).found["create-form"]
    made = _submit(
        browser, form, name="lines", imageUuid="docker:sim/x:1", command="echo\nhi", ports='["80"]', labels='{"a": "b"}'
    )
    assert made.status_code == 201, made.content
    assert "echo" in made.content.decode()


def test_a_form_without_a_csrf_token_is_refused(browser: Client, lab: Any):
    path = f"/v1/projects/{wire_id('a', lab.pk)}/environments"
    answer = browser.post(path, {"name": "x"})
    assert answer.status_code == 403
    assert b"InvalidCSRFToken" in answer.content


def test_pages_link_anonymous_visitors_to_the_log_in(db: None):
    page = Client(headers=BROWSER).get("/v1/projects")
    assert page.status_code == 401
    assert "/login?next=/v1/projects" in Forms(page.content.decode()).links
    assert "WWW-Authenticate" not in page.headers


def test_json_is_a_click_away(browser: Client):
    page = Forms(browser.get("/v1/projects").content.decode())
    assert "/v1/projects?format=json" in page.links
    assert browser.get("/v1/projects?format=json").headers["Content-Type"].startswith("application/json")
    assert all(browser.get(link).status_code == 200 for link in page.links if link.startswith("http://testserver/v1"))
