"""Bad input in forms: the error is shown at the field, the input is kept, and nothing is created."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.browser_session import BrowserSession
from tests.docker.portal_process import Api

pytestmark = pytest.mark.browser

LONG = "a" * 1024 * 1024
SERVICE = {"name": "fine", "scale": "1", "image": "bb:local", "portPrivate": "80"}
BAD = [
    ("image", "Not An Image!", "image"),
    ("image", "no/UPPER:case", "image"),
    ("portPrivate", "99999", "ports"),
    ("portPrivate", "eighty", "ports"),
    ("portPublic", "70000", "ports"),
    ("scale", "-1", "scale"),
    ("scale", "100000000", "scale"),
    ("name", "with spaces", "name"),
    ("name", "-", "name"),
    ("name", LONG, "name"),
    ("env", "not a pair", "env"),
    ("memory", "lots", "memory"),
    ("volumes", "relative:path:what:ever", "volumes"),
]

COMPOSE = """services:
  web:
    image: bb:local
   ports: [80
"""


def type_in(page: Page, name: str, text: str) -> None:
    """Fill a field bypassing the browser's own validation, which is not a defence."""
    script = """(field, text) => {
        field.form.noValidate = true;
        field.removeAttribute("maxlength");
        field.removeAttribute("min");
        field.removeAttribute("max");
        const fold = field.closest("details");
        if (fold) fold.open = true;
        field.value = text;
    }"""
    page.locator(f"main [name={name}]").first.evaluate(script, text)


@pytest.fixture
def form(page: Page, shop: Any, browser_session: BrowserSession) -> Page:
    """The form for a service of the shop, filled in well."""
    browser_session.allow_complaints("status of 422")
    page.goto(f"/env/5/stacks/{shop[0]['id'].removeprefix('1e')}/services/new")
    for name, text in SERVICE.items():
        type_in(page, name, text)
    return page


def test_a_bad_field_of_a_service_is_named_and_nothing_is_made(form: Page, api: Api):
    for name, text, field in BAD:
        type_in(form, name, text)
        create_refused(form)
        wrong = form.locator("main .wrong")
        assert wrong.count() == 1, (name, text[:20], wrong.all_inner_texts())
        assert wrong.is_visible(), (name, text[:20])
        assert 0 < len(wrong.inner_text()) < 500
        assert form.locator(f".field:has(.wrong) [name^={field.rstrip('s')}]").count() >= 1, (name, text[:20])
        typed_values = {each: form.locator(f"main [name={each}]").first.input_value() for each in {*SERVICE, name}}
        assert typed_values == SERVICE | {name: text}, (name, text[:20])
        type_in(form, name, SERVICE.get(name, ""))
    assert standing(api, "services") == ["web"]


def create_refused(form: Page) -> None:
    """Send the form and wait for its refusal."""
    with form.expect_response(re.compile("/services/new$")) as answer:
        form.get_by_role("button", name="Create").click()
    assert answer.value.status == 422
    expect(form.locator("main .wrong")).not_to_have_count(0)
    form.wait_for_timeout(50)  # the swap itself


def standing(api: Api, kind: str) -> list[str]:
    """The names of what is there; the API lists removed things for a while."""
    return [row["name"] for row in api.get(kind)["data"] if not row["removed"]]


def test_after_the_field_is_mended_the_form_works(form: Page, api: Api):
    type_in(form, "image", "bad image")
    form.get_by_role("button", name="Create").click()
    expect(form.locator("main .wrong")).to_be_visible()
    form.fill("[name=image]", "bb:local")
    form.uncheck("[name=start]")
    form.get_by_role("button", name="Create").click()
    expect(form).to_have_url(re.compile(r"/services/\d+$"))
    form.get_by_role("link", name="Delete").click()
    form.locator("#dialog").get_by_role("button", name="Delete").click()
    expect(form).to_have_url(re.compile(r"/stacks/\d+$"))


def test_bad_yaml_is_reported_with_its_line_while_typed_and_on_sending(
    page: Page, browser_session: BrowserSession, api: Api
):
    browser_session.allow_complaints("status of 422")
    page.goto("/env/5/stacks/new")
    page.fill("[name=name]", "broken")
    page.locator("[name=dockerCompose]").press_sequentially(" ")
    page.fill("[name=dockerCompose]", COMPOSE)
    expect(page.locator("#check")).to_contain_text(re.compile(r"line \d"))
    page.get_by_role("button", name="Create").click()
    expect(page.locator("main .wrong")).to_contain_text(re.compile(r"line \d"))
    assert page.locator("[name=dockerCompose]").input_value() == COMPOSE
    assert page.locator("[name=name]").input_value() == "broken"
    assert standing(api, "environments") == ["shop"]


@pytest.mark.parametrize("name", ["with spaces", "under_score!", LONG], ids=["spaces", "signs", "long"])
def test_a_bad_name_of_a_stack_is_refused_at_the_field(
    page: Page, browser_session: BrowserSession, api: Api, name: str
):
    browser_session.allow_complaints("status of 422")
    page.goto("/env/5/stacks/new")
    type_in(page, "name", name)
    page.get_by_role("button", name="Create").click()
    expect(page.locator(".field:has([name=name]) .wrong")).to_be_visible()
    assert page.locator("[name=name]").input_value() == name
    assert standing(api, "environments") == ["shop"]


def test_an_engine_that_does_not_answer_is_refused_at_the_field(page: Page, browser_session: BrowserSession, api: Api):
    browser_session.allow_complaints("status of 422")
    page.goto("/env/5/hosts/new/address")
    for url in ("nonsense", "tcp://127.0.0.1:1"):
        page.fill("[name=url]", url)
        page.get_by_role("button", name="Connect").click()
        expect(page.locator(".field:has([name=url]) .wrong")).to_be_visible()
        assert page.locator("[name=url]").input_value() == url
    assert len(api.get("hosts")["data"]) == 1
