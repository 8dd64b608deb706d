"""A service that asks for an address has one container, however its number of containers would change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.containers.launch.config import LaunchConfig
from apps.core.errors import Invalid
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.stacks.handover_services import HandoverStrategy, service_hand_over
from apps.stacks.models import Service, Stack
from apps.stacks.services import service_create, service_update, stack_create
from apps.stacks.sidekicks import Sidekick, UnitConfig
from apps.stacks.stack_draft import StackFiles
from apps.stacks.stack_upgrade import stack_upgrade
from apps.stacks.upgrade_services import service_upgrade
from apps.stacks.upgrade_strategy import UpgradeStrategy
from apps.stacks.what_if import what_if_scaled

ADDRESS = "10.42.9.9"
LABEL = {"io.rancher.container.requested_ip": ADDRESS}
EACH_HOST = {"io.rancher.scheduler.global": "true"}
FAST = UpgradeStrategy(interval_ms=100)


def config(**fields: Any) -> LaunchConfig:
    return LaunchConfig.from_wire({"imageUuid": "docker:bb:local", **fields})


@pytest.fixture
def shop(lab: Environment, host: Host, actor_of: Any) -> Stack:
    """A stack without services."""
    return stack_create(actor=actor_of("bob"), environment=lab, name="shop")


@pytest.fixture
def make(shop: Stack, actor_of: Any) -> Callable[..., Service]:
    """Makes a service of the stack."""

    def create(name: str, unit: LaunchConfig | UnitConfig, **settings: Any) -> Service:
        return service_create(actor=actor_of("bob"), stack=shop, name=name, config=unit, **settings)

    return create


REFUSED: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "two": ({"requestedIpAddress": ADDRESS}, {"scale": 2}, "launchConfig.requestedIpAddress"),
    "two by label": ({"labels": LABEL}, {"scale": 2}, "launchConfig.labels"),
    "each host": ({"requestedIpAddress": ADDRESS, "labels": EACH_HOST}, {}, "launchConfig.requestedIpAddress"),
    "a policy": (
        {"requestedIpAddress": ADDRESS},
        {"scale": 1, "scale_policy": {"min": 1, "max": 3}},
        "launchConfig.requestedIpAddress",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_new_service_of_several_containers_is_refused(make: Any, case: str) -> None:
    fields, settings, field = REFUSED[case]
    with pytest.raises(Invalid) as refused:
        make("web", config(**fields), **settings)
    assert (refused.value.field, refused.value.code) == (field, "InvalidOption")
    assert f"web asks for {ADDRESS}" in refused.value.message
    assert "ask for no address" in refused.value.message
    assert not Service.all_objects.exists()


def test_a_sidekick_is_there_once_for_each_container(make: Any) -> None:
    unit = UnitConfig(config(), (Sidekick("log", config(requestedIpAddress=ADDRESS)),))
    with pytest.raises(Invalid) as refused:
        make("web", unit, scale=2)
    assert refused.value.field == "secondaryLaunchConfigs.log.requestedIpAddress"
    assert make("web", unit, scale=1).scale == 1


@pytest.mark.parametrize("settings", [{"scale": 0}, {"scale": 1}, {"scale_policy": {"min": 1, "max": 1}}])
def test_one_container_has_its_address(make: Any, settings: dict[str, Any]) -> None:
    assert make("web", config(requestedIpAddress=ADDRESS), **settings).config.requested_ip_address == ADDRESS


def test_a_scheduled_service_runs_one_at_a_time(make: Any) -> None:
    row = make("web", config(requestedIpAddress=ADDRESS), scale=2, schedule={"cron": "0 3 * * *"})
    assert row.timetable is not None


@pytest.mark.parametrize(
    ("change", "field"),
    [({"scale": 3}, "scale"), ({"scale_policy": {"min": 1, "max": 2}}, "scalePolicy")],
)
def test_it_is_not_scaled(make: Any, actor_of: Any, change: dict[str, Any], field: str) -> None:
    row = make("web", config(requestedIpAddress=ADDRESS))
    with pytest.raises(Invalid) as refused:
        service_update(row, actor=actor_of("bob"), **change)
    assert refused.value.field == field
    row.refresh_from_db()
    assert (row.scale, row.scale_policy) == (1, {})


def test_what_has_several_from_before_this_rule_is_edited_and_scaled_to_one(make: Any, actor_of: Any) -> None:
    row = make("web", config(), scale=3)
    Service.all_objects.filter(pk=row.pk).update(spec=config(requestedIpAddress=ADDRESS).to_json())
    row.refresh_from_db()
    service_update(row, actor=actor_of("bob"), scale=3, description="old")
    with pytest.raises(Invalid):
        service_update(row, actor=actor_of("bob"), scale=2)
    assert service_update(row, actor=actor_of("bob"), scale=1).scale == 1


def test_an_upgrade_gives_no_address_to_several(make: Any, actor_of: Any, run_loop: Callable[[], None]) -> None:
    row = make("web", config(), scale=2, start_on_create=True)
    run_loop()
    row.refresh_from_db()
    with pytest.raises(Invalid) as refused:
        service_upgrade(row, actor=actor_of("bob"), config=config(requestedIpAddress=ADDRESS), strategy=FAST)
    assert refused.value.field == "launchConfig.requestedIpAddress"


def test_nothing_is_predicted_that_would_be_refused(make: Any) -> None:
    with pytest.raises(Invalid) as refused:
        what_if_scaled(make("web", config(requestedIpAddress=ADDRESS)), 2)
    assert refused.value.field == "scale"


def test_no_service_hands_over_to_several_of_one_address(
    make: Any, actor_of: Any, run_loop: Callable[[], None]
) -> None:
    old, new = make("old", config(), start_on_create=True), make("new", config(requestedIpAddress=ADDRESS))
    run_loop()
    for row in (old, new):
        row.refresh_from_db()
    with pytest.raises(Invalid) as refused:
        service_hand_over(old, new, actor=actor_of("bob"), strategy=HandoverStrategy(final_scale=2))
    assert refused.value.field == "toServiceStrategy.finalScale"


FILE = "web:\n  image: bb:local\n  labels: {io.rancher.container.requested_ip: 10.42.9.9}\n"


def test_a_compose_file_is_refused_likewise_and_makes_nothing(lab: Environment, actor_of: Any) -> None:
    with pytest.raises(Invalid) as refused:
        stack_create(
            actor=actor_of("bob"), environment=lab, name="files", docker_compose=FILE, rancher_compose="web: {scale: 2}"
        )
    assert refused.value.code == "InvalidOption"
    assert f"web asks for {ADDRESS}" in refused.value.message
    assert not Stack.all_objects.filter(name="files").exists()


def test_a_file_may_change_address_and_scale_at_once(
    lab: Environment, host: Host, actor_of: Any, run_loop: Callable[[], None]
) -> None:
    bob, plain = actor_of("bob"), "web:\n  image: bb:local\n"
    row = stack_create(
        actor=bob, environment=lab, name="files", docker_compose=plain, rancher_compose="web: {scale: 2}",
        start_on_create=True,
    )  # fmt: skip
    run_loop()
    for docker, scale in ((FILE, 1), (plain, 2)):
        row.refresh_from_db()
        files = StackFiles(docker_compose=docker, rancher_compose=f"web: {{scale: {scale}}}")
        stack_upgrade(row, files, actor=bob)
        run_loop()
        web = Service.all_objects.get(stack=row)
        assert (web.scale, bool(web.config.labels)) == (scale, docker == FILE)
