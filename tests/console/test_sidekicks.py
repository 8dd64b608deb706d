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
from apps.stacks.upgrade_services import service_upgrade
from apps.stacks.upgrade_strategy import UpgradeStrategy

TOGETHER = UpgradeStrategy(batch_size=9, interval_ms=100, min_ready=0)
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
    assert "part of a service" in every
    assert ">standalone<" not in every
    assert "shop_web_" not in alone


def test_an_upgrade_of_a_sidekick_alone_is_not_said_to_replace_the_service_s_own(
    service: Service, browser_as: Any, actor_of: Any, run_loop: Callable[[], None]
) -> None:
    bob, page = browser_as("bob"), f"/env/{service.environment_id}/services/{service.pk}"
    assert "Only containers whose configuration changes are replaced" in bob.get(f"{page}/upgrade").content.decode()
    log = Sidekick("log", LaunchConfig.from_wire({**IMAGE, "networkLaunchConfig": "web"}))
    service_upgrade(service, actor=actor_of("bob"), config=None, sidekicks=[log], strategy=TOGETHER)
    for _ in range(20):
        run_loop()
        service.refresh_from_db()
        waiting = {**service.status, "next_batch_at": "2000-01-01T00:00:00+00:00"}
        Service.all_objects.filter(pk=service.pk).update(status=waiting, next_attempt_at=service.created)
    assert service.display_state == "upgraded"
    text = bob.get(page).content.decode()
    assert "Only sidekicks were upgraded." in text
    assert "Upgraded to" not in text
