"""A failing pull on the pages of stack, service and container: told once, with its remedy and a way to try again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.containers.launch.config import LaunchConfig
from apps.containers.models import Container, Pull
from apps.stacks.models import Service, Stack
from apps.stacks.services import service_create

IMAGE = "nowhere/web:1"


@pytest.fixture
def broken(shop: Stack, actor_of: Any, run_loop: Callable[[], None]) -> Service:
    """A service of three containers whose image nobody has."""
    config = LaunchConfig.from_wire({"imageUuid": f"docker:{IMAGE}"})
    row = service_create(
        actor=actor_of("alice"), stack=shop, name="broken", config=config, scale=3, start_on_create=True
    )
    run_loop()
    return row


def test_it_is_told_once_on_every_page(broken: Service, browser_as: Any, at: Any):
    box = Container.all_objects.order_by("pk")[0]
    for path in (at("stack", pk=broken.stack_id), at("service", pk=broken.pk), at("container", pk=box.pk)):
        text = browser_as("bob").get(path).content.decode()
        assert text.count("add a credential of Docker Hub") == 1
        assert text.count("pull access denied") == 1
        assert "Retry now" in text
        assert "Retry now" not in browser_as("rita").get(path).content.decode()


def test_what_never_existed_shows_no_charts_and_no_log(broken: Service, browser_as: Any, at: Any):
    box = Container.all_objects.order_by("pk")[0]
    text = browser_as("bob").get(at("container", pk=box.pk)).content.decode()
    assert "data-chart" not in text
    assert "The container has not been created yet." in text
    assert "image pull failed" in text
    text = browser_as("bob").get(at("container-logs", pk=box.pk)).content.decode()
    assert "data-logs" not in text
    assert "No output yet" in text


def test_a_retry_is_requested_and_one_for_nothing_refused(broken: Service, browser_as: Any, at: Any):
    headers = {"HX-Request": "true"}
    client = browser_as("bob")
    assert client.post(at("pulls-retry"), {"image": IMAGE}, headers=headers).status_code == 204
    assert Pull.all_objects.get().display_state == "pulling"
    assert client.post(at("pulls-retry"), {"image": "other"}, headers=headers).status_code == 404
    assert client.get(at("pulls-retry")).status_code == 405
    assert browser_as("rita").post(at("pulls-retry"), {"image": IMAGE}, headers=headers).status_code == 403
    assert browser_as("mallory").post(at("pulls-retry"), {"image": IMAGE}, headers=headers).status_code == 404
