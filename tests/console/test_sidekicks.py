"""Sidekicks in the console: beside the containers of their service, and no standalone containers."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from apps.containers.launch.config import LaunchConfig
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.stacks.models import Service
from apps.stacks.services import service_create, stack_create
from apps.stacks.sidekicks import Sidekick, UnitConfig

IMAGE = {"imageUuid": "docker:bb:local"}


@pytest.fixture
def service(lab: Environment, host: Host, actor_of: Any, run_loop: Callable[[], None]) -> Service:
    stack = stack_create(actor=actor_of("bob"), environment=lab, name="shop")
    log = LaunchConfig.from_wire({**IMAGE, "networkLaunchConfig": "web", "environment": {"A": "secret-word"}})
    row = service_create(
        actor=actor_of("bob"),
        stack=stack,
        name="web",
        config=UnitConfig(
            LaunchConfig.from_wire({**IMAGE, "dataVolumesFromLaunchConfigs": ["data"]}),
            (Sidekick("log", log), Sidekick("data", LaunchConfig.from_wire(IMAGE))),
        ),
        scale=2,
        start_on_create=True,
    )
    run_loop()
    return row


def test_a_service_shows_its_sidekicks_below_the_containers_that_they_belong_to(
    service: Service, browser_as: Any
) -> None:
    text = browser_as("bob").get(f"/env/{service.environment_id}/services/{service.pk}").content.decode()
    names = re.findall(r'class="name"[^>]*>(shop_web_\w+)<', text)
    assert names == [
        "shop_web_1", "shop_web_data_1", "shop_web_log_1", "shop_web_2", "shop_web_data_2", "shop_web_log_2"
    ]  # fmt: skip


def test_a_sidekick_is_no_standalone_container(service: Service, browser_as: Any) -> None:
    browser = browser_as("bob")
    every = browser.get(f"/env/{service.environment_id}/containers").content.decode()
    alone = browser.get(f"/env/{service.environment_id}/containers?kind=standalone").content.decode()
    assert "shop_web_log_1" in every
    assert "shop_web_" not in alone
