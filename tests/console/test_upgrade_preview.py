"""Beside the form of an upgrade: what changes, and which containers are made anew, as it is filled in."""

from __future__ import annotations

from typing import Any

import pytest

from apps.containers.launch.config import LaunchConfig
from apps.stacks.models import Service, Stack
from apps.stacks.services import service_create
from apps.stacks.sidekicks import Sidekick, UnitConfig
from tests.console.form_page import FormPage


@pytest.fixture
def unit(shop: Stack, actor_of: Any, run_loop: Any) -> Service:
    """A running service of two units, with a sidekick that uses the network of its container."""
    on_web = {"imageUuid": "sim:sim/log:1", "networkLaunchConfig": "web2", "networkMode": "container"}
    config = UnitConfig(
        LaunchConfig.from_wire({"imageUuid": "sim:sim/web:1", "environment": {"TOKEN": "word"}}),
        (Sidekick("log", LaunchConfig.from_wire(on_web)),),
    )
    row = service_create(actor=actor_of("alice"), stack=shop, name="web2", config=config, scale=2, start_on_create=True)
    run_loop()
    return row


def preview(browser: Any, at: Any, row: Service, **changes: str) -> str:
    page = FormPage(browser.get(at("service-upgrade", pk=row.pk)).content.decode())
    answer = browser.post(at("service-upgrade-preview", pk=row.pk), {**page.data(), **changes})
    assert answer.status_code == 200, answer.content
    return str(answer.content.decode())


def test_it_says_what_changes_and_what_is_made_anew_with_it(browser_as: Any, at: Any, unit: Service):
    found = preview(browser_as("bob"), at, unit, image="sim:sim/web:2")
    assert "Its 2 containers are recreated." in found
    assert "The sidekick log is recreated, since it uses" in found
    assert "sim/web:2" in found


def test_without_a_change_it_says_so(browser_as: Any, at: Any, unit: Service):
    found = preview(browser_as("bob"), at, unit)
    assert "The configuration does not change" in found
    assert "word" not in found


def test_what_cannot_be_read_is_said_and_readers_see_nothing(browser_as: Any, at: Any, unit: Service):
    assert "is not a number" in preview(browser_as("bob"), at, unit, memory="lots")
    path = at("service-upgrade-preview", pk=unit.pk)
    assert browser_as("rita").post(path, {"image": "x"}, headers={"HX-Request": "true"}).status_code == 403
    assert browser_as("bob").get(path).status_code == 405
