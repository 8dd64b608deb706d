"""What a service has beside its configuration, in forms: a kept address, selectors, metadata, and jobs."""

from __future__ import annotations

from typing import Any

import pytest

from apps.containers.launch.kind_labels import is_start_once
from apps.stacks.models import Service, Stack

FORM = {"name": "api", "image": "nginx", "scale": "2", "runs": "number", "details": "on"}


@pytest.fixture
def bob(browser_as: Any) -> Any:
    """The browser of an operator."""
    return browser_as("bob")


def made() -> Service:
    found: Service = Service.all_objects.get(name="api")
    return found


def test_they_are_given_copied_and_changed_without_a_new_container(shop: Stack, at: Any, bob: Any):
    given = {
        "retain_ip": "on",
        "selector_link": "role=db",
        "selector_container": "app in (a, b)",
        "metadata": "team: shop\nports: [1, 2]",
    }
    one = {"scale": "1", "requestedIpAddress": "10.42.9.9"}
    answer = bob.post(at("service-new", stack=shop.pk), {**FORM, **given, **one})
    assert answer.status_code < 400, answer.content.decode()
    row = made()
    assert (row.selector_link, row.selector_container) == ("role=db", "app in (a, b)")
    assert (row.metadata, row.address_settings) == ({"team": "shop", "ports": [1, 2]}, {"retainIp": True})
    assert row.config.requested_ip_address == "10.42.9.9"
    for name in ("service-clone", "service-edit"):
        shown = bob.get(at(name, pk=row.pk)).content.decode()
        assert "team: shop" in shown
        assert 'value="role=db"' in shown
    config = row.spec
    edited = {"name": "api", "description": "", "scale": "1", "details": "on", "metadata": "team: ops"}
    assert bob.post(at("service-edit", pk=row.pk), edited).status_code < 400
    row = made()
    assert (row.metadata, row.selector_link, row.address_settings) == ({"team": "ops"}, "", {"retainIp": False})
    assert row.spec == config


def test_an_address_of_one_container_is_refused_for_two_at_its_control(shop: Stack, at: Any, bob: Any):
    answer = bob.post(at("service-new", stack=shop.pk), {**FORM, "requestedIpAddress": "10.42.9.9"})
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "api asks for 10.42.9.9" in page[page.index('name="requestedIpAddress"') :][:600]
    bob.post(at("service-new", stack=shop.pk), {**FORM, "scale": "1", "requestedIpAddress": "10.42.9.9"})
    answer = bob.post(at("service-edit", pk=made().pk), {"name": "api", "description": "", "scale": "2"})
    assert answer.status_code == 422
    assert "api asks for 10.42.9.9" in answer.content.decode()


def test_a_form_without_them_takes_nothing_away(shop: Stack, at: Any, bob: Any):
    bob.post(at("service-new", stack=shop.pk), {**FORM, "metadata": "a: 1", "selector_link": "a=b"})
    bob.post(at("service-edit", pk=made().pk), {"name": "api", "description": "now", "scale": "2"})
    row = made()
    assert (row.description, row.metadata, row.selector_link) == ("now", {"a": 1}, "a=b")


@pytest.mark.parametrize(
    ("field", "text", "words"),
    [
        ("metadata", "- a", "write a map"),
        ("metadata", "a: [", "line 1"),
        ("metadata", "a: &x [*x]", "stands for what it is in"),
        ("selector_link", "a in (", "brackets"),
        ("selector_container", "a ~ b", "a ~ b"),
    ],
)
def test_what_is_wrong_is_shown_beside_its_control(field: str, text: str, words: str, shop: Stack, at: Any, bob: Any):
    answer = bob.post(at("service-new", stack=shop.pk), {**FORM, field: text})
    assert answer.status_code == 422, answer.content.decode()[-500:]
    assert words in answer.content.decode()
    assert not Service.all_objects.filter(name="api").exists()
    bob.post(at("service-new", stack=shop.pk), FORM)
    edited = {"name": "api", "description": "", "scale": "2", "details": "on", field: text}
    answer = bob.post(at("service-edit", pk=made().pk), edited)
    assert (answer.status_code, words in answer.content.decode()) == (422, True)


def test_jobs_run_once_and_are_copied_as_jobs(shop: Stack, at: Any, bob: Any):
    bob.post(at("service-new", stack=shop.pk), {**FORM, "runs": "once"})
    row = made()
    assert (is_start_once(row.config), row.scale) == (True, 2)
    copy = bob.get(at("service-clone", pk=row.pk)).content.decode()
    assert '<option value="once" selected' in copy
    assert "start_once" not in copy
    assert bob.post(at("service-policies", pk=row.pk), {"runs": "number", "scale": "3"}).status_code < 400
    assert made().scale == 3
