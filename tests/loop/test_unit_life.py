"""Units of a primary and two sidekicks on two hosts: drained, lost, upgraded in part, canceled, scaled and renamed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from apps.containers.models import Container
from apps.core.errors import ActionNotAvailable
from apps.hosts.services import host_act, host_drain
from apps.stacks.models import Service
from apps.stacks.services import service_act, service_update
from apps.stacks.upgrade_services import service_upgrade, service_upgrade_step
from apps.stacks.upgrade_strategy import UpgradeStrategy
from tests.loop.simulated_fleet import SimulatedFleet
from tests.loop.units import (
    NEW,
    ONE_BY_ONE,
    TOGETHER,
    assert_whole,
    config,
    hosts_of,
    images,
    latest,
    log,
    members,
    settle,
)


def assert_nothing_left(fleet: SimulatedFleet) -> None:
    assert not [each.name for number in (1, 2) for each in fleet.engine(number).containers()]


def test_a_drained_host_loses_whole_units_and_none_before_the_next_runs(
    fleet: SimulatedFleet, serve: Callable[..., Service]
) -> None:
    row = serve()
    assert hosts_of(assert_whole(fleet, row, 2)) == ["h1", "h2"]
    host_drain(fleet.host(1), actor=fleet.actor)
    least = 6
    for _ in range(8):
        fleet.reconcile_hosts()
        least = min(least, len(fleet.running()))
    assert least == 6
    assert fleet.host(1).display_state == "inactive"
    assert hosts_of(assert_whole(fleet, row, 2)) == ["h2", "h2"]
    assert not fleet.engine(1).containers()


def test_an_ended_drain_takes_the_whole_successor_back(fleet: SimulatedFleet, serve: Callable[..., Service]) -> None:
    row = serve(config={"ports": ["8080:80"]})  # both hosts have the port in use: the successor finds no place
    before = {each.external_id for each in members(row)}
    host_drain(fleet.host(1), actor=fleet.actor)
    for _ in range(3):
        fleet.reconcile_hosts()
    assert len(members(row)) == 9
    host_act(fleet.host(1), "activate", actor=fleet.actor)
    settle(fleet, row)
    assert {each.external_id for each in members(row)} == before
    assert_whole(fleet, row, 2)


def test_a_lost_host_loses_whole_units_after_the_time_it_is_given(
    fleet: SimulatedFleet, serve: Callable[..., Service]
) -> None:
    row = serve(lost_host=("reschedule", 60))
    assert_whole(fleet, row, 2)
    fleet.engine(1).down = True
    settle(fleet, row)
    assert {str(each.host) for each in members(row)} == {"h2"}
    assert len(fleet.names(2)) == 6
    fleet.engine(1).down = False
    row = settle(fleet, row)
    assert hosts_of(assert_whole(fleet, row, 2)) == ["h2", "h2"]
    assert not fleet.engine(1).containers()


def test_a_service_that_waits_for_its_lost_host_keeps_its_units(
    fleet: SimulatedFleet, serve: Callable[..., Service]
) -> None:
    row = serve()
    before = {each.external_id for each in members(row)}
    fleet.engine(1).down = True
    settle(fleet, row)
    fleet.engine(1).down = False
    row = settle(fleet, row)
    assert {each.external_id for each in members(row)} == before
    assert_whole(fleet, row, 2)


def upgrade(fleet: SimulatedFleet, row: Service, what: str, strategy: UpgradeStrategy = ONE_BY_ONE) -> None:
    new = config(**NEW, dataVolumesFromLaunchConfigs=["data"]) if "web" in what else None
    changed = [log(**NEW)] if "log" in what else []
    service_upgrade(latest(row), actor=fleet.actor, config=new, sidekicks=changed, strategy=strategy)


def counted(what: str, new: int, all_of_them: int = 2) -> Counter[tuple[str, str]]:
    """What runs when so many units are upgraded."""
    found: Counter[tuple[str, str]] = Counter()
    for name in ("web", "log", "data"):
        upgraded = new if name in what else 0
        found += Counter({(name, "new"): upgraded, (name, "local"): all_of_them - upgraded})
    return found


PARTS = pytest.mark.parametrize("what", ["log", "web", "web log"])


@pytest.mark.parametrize(
    ("what", "end"), [("log", "rollback"), ("log", "finishupgrade"), ("web", "rollback"), ("web log", "rollback")]
)
def test_a_canceled_upgrade_stops_half_way_and_goes_on_or_back(
    fleet: SimulatedFleet, serve: Callable[..., Service], what: str, end: str
) -> None:
    row = serve()
    upgrade(fleet, row, what)
    fleet.run()
    service_upgrade_step(latest(row), "cancelupgrade", actor=fleet.actor)
    row = settle(fleet, row)
    assert row.display_state == "canceled-upgrade"
    assert images(row) == counted(what, 1)
    assert_whole(fleet, row, 2)
    service_upgrade_step(row, end, actor=fleet.actor)
    row = settle(fleet, row)
    assert row.display_state == "active"
    assert images(row) == counted(what, 2 if end == "finishupgrade" else 0)
    assert_whole(fleet, row, 2)
    assert len(members(row)) == 6


@PARTS
def test_a_canceled_rollback_stops_half_way_and_goes_on(
    fleet: SimulatedFleet, serve: Callable[..., Service], what: str
) -> None:
    row = serve(scale=3)
    upgrade(fleet, row, what)
    row = settle(fleet, row)
    assert (row.display_state, images(row)) == ("upgraded", counted(what, 3, 3))
    service_upgrade_step(row, "rollback", actor=fleet.actor)
    fleet.run()
    service_upgrade_step(latest(row), "cancelrollback", actor=fleet.actor)
    row = settle(fleet, row)
    assert row.display_state == "canceled-rollback"
    assert 0 < images(row)["log" if "log" in what else "web", "local"] < 3
    assert_whole(fleet, row, 3)
    service_upgrade_step(row, "finishupgrade", actor=fleet.actor)
    row = settle(fleet, row)
    assert row.display_state == "active"
    assert_whole(fleet, row, 3)
    assert len(members(row)) == 9
    assert len({image for (name, image) in images(row) if name == "web"}) == 1


@PARTS
def test_a_unit_that_dies_while_an_upgrade_is_canceled_is_replaced_by_its_like(
    fleet: SimulatedFleet, serve: Callable[..., Service], what: str
) -> None:
    row = serve()
    upgrade(fleet, row, what)
    fleet.run()
    service_upgrade_step(latest(row), "cancelupgrade", actor=fleet.actor)
    row = settle(fleet, row)
    for each in members(row):
        if each.desired == "running":
            fleet.engine(1 if str(each.host) == "h1" else 2).remove(each.external_id)
    Container.all_objects.filter(removed=None).update(next_attempt_at=row.created)
    row = settle(fleet, row)
    assert (row.display_state, images(row)) == ("canceled-upgrade", counted(what, 1))
    assert_whole(fleet, row, 2)


@pytest.mark.parametrize(
    ("what", "end", "strategy"),
    [
        ("log", "rollback", ONE_BY_ONE),
        ("web", "finishupgrade", ONE_BY_ONE),
        ("web log", "rollback", ONE_BY_ONE),
        ("web log", "rollback", TOGETHER),
    ],
)
def test_a_host_may_leave_in_the_middle_of_an_upgrade(
    fleet: SimulatedFleet, serve: Callable[..., Service], what: str, end: str, strategy: UpgradeStrategy
) -> None:
    row = serve(scale=3)
    upgrade(fleet, row, what, strategy)
    fleet.run()
    host_drain(fleet.host(1), actor=fleet.actor)
    row = settle(fleet, row, 8)
    assert (row.display_state, images(row)) == ("upgraded", counted(what, 3, 3))
    assert hosts_of(assert_whole(fleet, row, 3)) == ["h2"] * 3
    assert fleet.host(1).display_state == "inactive"
    service_upgrade_step(row, end, actor=fleet.actor)
    row = settle(fleet, row, 8)
    assert (row.display_state, len(members(row))) == ("active", 9)
    assert images(row) == counted(what, 3 if end == "finishupgrade" else 0, 3)
    assert hosts_of(assert_whole(fleet, row, 3)) == ["h2"] * 3


@pytest.mark.parametrize("what", ["log", "web"])
def test_a_service_that_is_removed_in_the_middle_of_an_upgrade_leaves_nothing(
    fleet: SimulatedFleet, serve: Callable[..., Service], what: str
) -> None:
    row = serve()
    upgrade(fleet, row, what)
    fleet.run()
    with pytest.raises(ActionNotAvailable):
        service_update(latest(row), actor=fleet.actor, scale=1)
    service_act(latest(row), "remove", actor=fleet.actor)
    row = settle(fleet, row, 3)
    assert (row.display_state, members(row)) == ("removed", [])
    assert_nothing_left(fleet)


def test_a_stopped_service_moves_as_a_whole_when_it_is_started_again(
    fleet: SimulatedFleet, serve: Callable[..., Service]
) -> None:
    row = serve()
    service_act(row, "deactivate", actor=fleet.actor)
    row = settle(fleet, row)
    assert (row.display_state, fleet.running()) == ("inactive", [])
    host_drain(fleet.host(1), actor=fleet.actor)
    settle(fleet, row)
    assert not fleet.engine(1).containers()
    service_act(latest(row), "activate", actor=fleet.actor)
    row = settle(fleet, row)
    assert hosts_of(assert_whole(fleet, row, 2)) == ["h2", "h2"]


def test_a_renamed_service_keeps_its_units_and_makes_new_ones_of_its_new_name(
    fleet: SimulatedFleet, serve: Callable[..., Service]
) -> None:
    row = serve()
    before = {each.external_id for each in members(row)}
    service_update(row, actor=fleet.actor, name="front", scale=3)
    row = settle(fleet, row)
    assert_whole(fleet, row, 3)
    after = {each.external_id: each.name for each in members(row)}
    assert before <= after.keys()
    new = sorted(name for key, name in after.items() if key not in before)
    assert new == ["shop_front_3", "shop_front_data_3", "shop_front_log_3"]


def test_a_service_on_each_host_has_its_sidekicks_there(fleet: SimulatedFleet, serve: Callable[..., Service]) -> None:
    row = serve(scale=1, config={"labels": {"io.rancher.scheduler.global": "true"}})
    assert hosts_of(assert_whole(fleet, row, 2)) == ["h1", "h2"]
    service_upgrade(row, actor=fleet.actor, config=None, sidekicks=[log(**NEW)], strategy=TOGETHER)
    row = settle(fleet, row)
    assert images(row) == counted("log", 2)
    service_upgrade_step(row, "rollback", actor=fleet.actor)
    row = settle(fleet, row)
    host_drain(fleet.host(1), actor=fleet.actor)
    row = settle(fleet, row)
    assert fleet.host(1).display_state == "inactive"
    assert hosts_of(assert_whole(fleet, row, 1)) == ["h2"]
    host_act(fleet.host(1), "activate", actor=fleet.actor)
    row = settle(fleet, row)
    assert hosts_of(assert_whole(fleet, row, 2)) == ["h1", "h2"]


def test_a_sidekick_that_is_remade_for_a_new_primary_container_was_not_restarted(
    fleet: SimulatedFleet, serve: Callable[..., Service]
) -> None:
    row = serve(scale=1)
    before = {each.launch_name: each for each in members(row)}
    changed = config(**NEW, dataVolumesFromLaunchConfigs=["data"])
    service_upgrade(row, actor=fleet.actor, config=changed, strategy=TOGETHER)
    row = settle(fleet, row)
    assert row.display_state == "upgraded"
    (log_container,) = (each for each in members(row) if each.launch_name == "log")
    assert (log_container.pk, log_container.restarts) == (before["log"].pk, 0)
    assert log_container.external_id != before["log"].external_id
    events = [(each.kind, each.reason) for each in log_container.events.all()]
    assert events == [("replaced", "Recreated, as a container whose network or volumes it takes was replaced.")]
    assert not log_container.status.get("crashes")
    assert "peer_replaced" not in log_container.status
