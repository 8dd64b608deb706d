"""What an upgrade keeps for a rollback serves nobody: no name, request or metadata leads to it, nothing counts it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.containers.launch.config import LaunchConfig
from apps.containers.models import Container
from apps.drivers.simulated.engine import SimulatedDriver
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.stacks.balancer.selectors import _servers, server_name
from apps.stacks.metadata.source import facts_of
from apps.stacks.models import Service, Slot
from apps.stacks.names.reading import read_names
from apps.stacks.network_policy.reading import read_members
from apps.stacks.selectors import service_views
from apps.stacks.services import service_act, service_create, stack_create
from apps.stacks.sidekicks import Sidekick, UnitConfig
from apps.stacks.upgrade_services import service_upgrade, service_upgrade_step
from apps.stacks.upgrade_strategy import UpgradeStrategy


def config(image: str, **fields: Any) -> LaunchConfig:
    return LaunchConfig.from_wire({"imageUuid": f"docker:{image}", **fields})


@pytest.fixture
def upgraded(
    lab: Environment, host: Host, sim: SimulatedDriver, actor_of: Any, run_loop: Callable[[], None]
) -> Service:
    """A service of one unit with a sidekick, both upgraded: the old two are kept."""
    sim.local_images.add("bb:new")
    bob = actor_of("bob")
    stack = stack_create(actor=bob, environment=lab, name="shop")
    unit = UnitConfig(config("bb:local"), (Sidekick("log", config("bb:local")),))
    row = service_create(actor=bob, stack=stack, name="web", config=unit, scale=1, start_on_create=True)
    run_loop()
    row.refresh_from_db()
    service_upgrade(
        row,
        actor=bob,
        config=config("bb:new"),
        sidekicks=[Sidekick("log", config("bb:new"))],
        strategy=UpgradeStrategy(interval_ms=100),
    )
    for _round in range(4):
        Container.all_objects.filter(next_attempt_at__isnull=False).update(next_attempt_at=row.created)
        Service.all_objects.update(next_attempt_at=row.created)
        run_loop()
    row.refresh_from_db()
    assert row.display_state == "upgraded"
    return row


def test_both_are_kept_and_only_the_primary_is_in_the_slot(upgraded: Service) -> None:
    kept = Container.all_objects.filter(removed=None, image="bb:local")
    assert {each.desired for each in kept} == {"stopped"}
    assert len(kept) == 2
    slot = Slot.objects.get()
    assert slot.previous in kept


def test_scale_and_health_count_the_new_ones(upgraded: Service) -> None:
    (view,) = service_views([upgraded])
    assert [each.image for each in view.containers] == ["bb:new"]
    assert [each.image for each in view.sidekicks] == ["bb:new"]


def test_names_and_policies_lead_to_the_new_ones(upgraded: Service, lab: Environment) -> None:
    current = set(Container.all_objects.filter(image="bb:new").values_list("pk", flat=True))
    assert {each.key for each in read_names([lab.pk])[lab.pk].containers} == current
    assert {each.key for each in read_members([lab.pk])[lab.pk].containers} <= current


def test_metadata_tells_of_the_new_ones(upgraded: Service, lab: Environment) -> None:
    uuids = {str(each) for each in Container.all_objects.filter(image="bb:new").values_list("uuid", flat=True)}
    assert {each.uuid for each in facts_of(lab.pk).containers} == uuids


def test_metadata_has_the_sidekicks_of_a_service_that_was_stopped(
    upgraded: Service, lab: Environment, actor_of: Any, run_loop: Callable[[], None]
) -> None:
    service_upgrade_step(upgraded, "finishupgrade", actor=actor_of("bob"))
    run_loop()
    upgraded.refresh_from_db()
    service_act(upgraded, "deactivate", actor=actor_of("bob"))
    run_loop()
    assert len(facts_of(lab.pk).containers) == 2


def test_balancers_send_requests_to_the_new_ones(
    upgraded: Service, actor_of: Any, run_loop: Callable[[], None]
) -> None:
    Container.all_objects.update(address="10.42.0.9")
    servers = _servers({upgraded.pk: upgraded})[upgraded.pk]
    current = Slot.objects.get().container
    assert current is not None
    assert [each.name for each in servers] == [server_name(current)]
