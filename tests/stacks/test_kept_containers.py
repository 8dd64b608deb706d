"""What an upgrade keeps for a rollback is not started by hand, and may be removed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.containers.launch.config import LaunchConfig
from apps.containers.models import Container
from apps.containers.services import container_act
from apps.core.errors import ActionNotAvailable
from apps.drivers.simulated.engine import SimulatedDriver
from apps.environments.access import available, verdict
from apps.environments.actor import SYSTEM
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.stacks.kept_containers import kept_containers
from apps.stacks.models import Service
from apps.stacks.services import service_create, stack_create
from apps.stacks.sidekicks import PRIMARY, Sidekick, UnitConfig
from apps.stacks.upgrade_services import service_upgrade, service_upgrade_step
from apps.stacks.upgrade_strategy import UpgradeStrategy

REASON = "Not possible: it is kept for a rollback of web. Roll web back, or finish the upgrade."
Undecided = tuple[Service, dict[str, Container]]


def config(**fields: Any) -> LaunchConfig:
    return LaunchConfig.from_wire({"imageUuid": "docker:bb:local", **fields})


@pytest.fixture
def undecided(
    lab: Environment, host: Host, sim: SimulatedDriver, actor_of: Any, run_loop: Callable[[], None]
) -> Undecided:
    """A service after an upgrade that replaced a sidekick and left another out, and what is kept by its names."""
    bob = actor_of("bob")
    stack = stack_create(actor=bob, environment=lab, name="shop")
    unit = UnitConfig(config(), (Sidekick("log", config()), Sidekick("data", config())))
    row = service_create(actor=bob, stack=stack, name="web", config=unit, scale=1, start_on_create=True)
    run_loop()
    row.refresh_from_db()
    changed = config(labels={"a": "b"})
    service_upgrade(
        row,
        actor=bob,
        config=changed,
        sidekicks=(Sidekick("log", changed),),
        strategy=UpgradeStrategy(2, 100),
        is_whole=True,
    )
    run_loop()
    row.refresh_from_db()
    assert row.display_state == "upgraded"
    rows = Container.all_objects.filter(spread_key=str(row.uuid), removed=None, desired="stopped")
    return row, {each.launch_name or PRIMARY: each for each in rows}


def test_what_is_kept_is_found(undecided: Undecided) -> None:
    row, kept = undecided
    assert kept.keys() == {PRIMARY, "log", "data"}
    assert kept_containers([row]) == {each.pk: "web" for each in kept.values()}


@pytest.mark.parametrize("name", [PRIMARY, "log", "data"])
def test_what_is_kept_is_not_started_and_may_be_removed(undecided: Undecided, actor_of: Any, name: str) -> None:
    kept, bob = undecided[1][name], actor_of("bob")
    assert kept.display_state == "stopped"
    found = available(kept, bob)
    assert (found["start"].allowed, found["start"].reason) == (False, REASON)
    assert not found["restart"]
    assert found["remove"]
    with pytest.raises(ActionNotAvailable, match="kept for a rollback of web"):
        container_act(kept, "start", actor=bob)
    assert verdict(SYSTEM, "start", kept)  # a rollback starts it


def test_after_a_rollback_what_was_kept_is_any_container(
    undecided: Undecided, actor_of: Any, run_loop: Callable[[], None]
) -> None:
    row, kept = undecided
    service_upgrade_step(row, "rollback", actor=actor_of("bob"))
    run_loop()
    row.refresh_from_db()
    assert row.display_state == "active"
    assert kept_containers([row]) == {}
    back = Container.all_objects.get(pk=kept[PRIMARY].pk)
    assert (back.display_state, verdict(actor_of("bob"), "stop", back).allowed) == ("running", True)


def test_an_inactive_service_s_own_containers_are_not_kept_ones(undecided: Undecided) -> None:
    row, kept = undecided
    Container.all_objects.filter(spread_key=str(row.uuid), removed=None).update(desired="stopped")
    assert kept_containers([row]).keys() == {each.pk for each in kept.values()}
