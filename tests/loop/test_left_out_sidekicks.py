"""Units that an upgrade leaves a sidekick out of: canceled half-way, moved to other hosts, rolled back and finished."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from apps.hosts.services import host_act, host_drain
from apps.stacks.models import Service
from apps.stacks.sidekicks import PRIMARY, UnitConfig
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


def leave_data_out(fleet: SimulatedFleet, row: Service, strategy: UpgradeStrategy = ONE_BY_ONE) -> None:
    """Upgrade to a primary without the volumes of `data`, and to units without `data`."""
    new = UnitConfig(config(**NEW), (log(),))
    service_upgrade(
        latest(row),
        actor=fleet.actor,
        config=new.primary,
        sidekicks=new.sidekicks,
        strategy=strategy,
        is_whole=True,
    )


def on_engines(fleet: SimulatedFleet) -> dict[str, str]:
    """Ids and states of all containers on both hosts."""
    return {each.id: each.state for number in (1, 2) for each in fleet.engine(number).containers()}


@pytest.mark.parametrize("end", ["rollback", "finishupgrade"])
def test_a_sidekick_that_is_left_out_stays_in_units_that_a_canceled_upgrade_did_not_reach(
    fleet: SimulatedFleet, serve: Callable[..., Service], end: str
) -> None:
    row = serve()
    before = on_engines(fleet)
    leave_data_out(fleet, row)
    fleet.run()
    service_upgrade_step(latest(row), "cancelupgrade", actor=fleet.actor)
    row = settle(fleet, row)
    assert row.display_state == "canceled-upgrade", row.message
    assert images(row) == {("web", "new"): 1, ("web", "local"): 1, ("log", "local"): 2, ("data", "local"): 1}
    service_upgrade_step(row, end, actor=fleet.actor)
    row = settle(fleet, row)
    assert row.display_state == "active", row.message
    if end == "rollback":
        assert_whole(fleet, row, 2)
        kept = {each.external_id for each in members(row) if each.launch_name in {"data", PRIMARY}}
        assert kept <= before.keys()
    else:
        assert images(row) == {("web", "new"): 2, ("log", "local"): 2}
        assert len(members(row)) == 4


def test_what_is_kept_of_a_sidekick_goes_with_its_host_and_a_rollback_makes_it_anew(
    fleet: SimulatedFleet, serve: Callable[..., Service]
) -> None:
    row = serve()
    leave_data_out(fleet, row, TOGETHER)
    row = settle(fleet, row)
    assert (row.display_state, len(members(row))) == ("upgraded", 8)
    host_drain(fleet.host(1), actor=fleet.actor)
    row = settle(fleet, row, 8)
    assert fleet.host(1).display_state == "inactive"
    assert not fleet.engine(1).containers()
    service_upgrade_step(row, "rollback", actor=fleet.actor)
    row = settle(fleet, row, 8)
    assert row.display_state == "active", row.message
    assert hosts_of(assert_whole(fleet, row, 2)) == ["h2", "h2"]


def test_a_unit_that_a_canceled_upgrade_did_not_reach_moves_with_the_sidekick_that_is_left_out(
    fleet: SimulatedFleet, serve: Callable[..., Service]
) -> None:
    row = serve()
    leave_data_out(fleet, row)
    fleet.run()
    service_upgrade_step(latest(row), "cancelupgrade", actor=fleet.actor)
    row = settle(fleet, row)
    for number in (1, 2):
        host_drain(fleet.host(number), actor=fleet.actor)
        row = settle(fleet, row, 8)
        assert fleet.host(number).display_state == "inactive", row.message
        host_act(fleet.host(number), "activate", actor=fleet.actor)
        row = settle(fleet, row)
    assert images(row) == {("web", "new"): 1, ("web", "local"): 1, ("log", "local"): 2, ("data", "local"): 1}
    service_upgrade_step(row, "rollback", actor=fleet.actor)
    row = settle(fleet, row, 8)
    assert row.display_state == "active", row.message
    assert_whole(fleet, row, 2)


def test_the_last_sidekick_moves_with_its_unit_while_the_upgrade_that_leaves_it_out_is_canceled(
    fleet: SimulatedFleet, serve: Callable[..., Service]
) -> None:
    row = serve()
    service_upgrade(row, actor=fleet.actor, config=config(**NEW), sidekicks=[log()], strategy=TOGETHER, is_whole=True)
    service_upgrade_step(settle(fleet, row), "finishupgrade", actor=fleet.actor)
    row = settle(fleet, row)
    service_upgrade(row, actor=fleet.actor, config=config(), strategy=ONE_BY_ONE, is_whole=True)
    fleet.run()
    service_upgrade_step(latest(row), "cancelupgrade", actor=fleet.actor)
    row = settle(fleet, row)
    assert images(row) == {("web", "new"): 1, ("", "local"): 1, ("log", "local"): 1}
    for number in (1, 2):
        host_drain(fleet.host(number), actor=fleet.actor)
        row = settle(fleet, row, 8)
        assert fleet.host(number).display_state == "inactive", row.message
        host_act(fleet.host(number), "activate", actor=fleet.actor)
        row = settle(fleet, row)
    assert images(row) == {("web", "new"): 1, ("", "local"): 1, ("log", "local"): 1}
    service_upgrade_step(row, "rollback", actor=fleet.actor)
    row = settle(fleet, row, 8)
    assert row.display_state == "active", row.message
    assert images(row) == {("web", "new"): 2, ("log", "local"): 2}
