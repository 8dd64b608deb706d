"""Containers that run for a moment and crash: they replace nothing, and no other is restarted after them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.containers.endings import MOST_NOTED
from apps.containers.launch.config import LaunchConfig
from apps.containers.models import Container
from apps.hosts.services import host_drain
from apps.stacks.batches import MAX_READY
from apps.stacks.models import Service, Stack
from apps.stacks.restart_services import RestartStrategy, service_restart
from apps.stacks.services import service_act
from apps.stacks.upgrade_services import service_upgrade
from apps.stacks.upgrade_strategy import UpgradeStrategy
from tests.loop.simulated_fleet import SimulatedFleet

pytestmark = pytest.mark.faces

NEW, OLD = "bb:new", "bb:local"
TICK = 10  # seconds: real time counts too, and on a busy machine a test takes some
START_FIRST = UpgradeStrategy(interval_ms=100, start_first=True)
STOP_FIRST = UpgradeStrategy(interval_ms=100)


@pytest.fixture(autouse=True)
def five_ticks(settings: Any) -> None:
    settings.MIN_READY_SECONDS = 5 * TICK


@pytest.fixture
def web(fleet: SimulatedFleet, shop: Stack) -> Service:
    """Two containers, one on each host."""
    for number in (1, 2):
        fleet.engine(number).local_images.add(NEW)
    return fleet.service(shop, scale=2)


def images(fleet: SimulatedFleet) -> list[str]:
    """What runs on both engines."""
    boxes = [each for number in (1, 2) for each in fleet.engine(number).containers()]
    return sorted(each.image for each in boxes if each.state == "running")


def crash(fleet: SimulatedFleet) -> None:
    """Containers of the new image end; nobody is told."""
    for number in (1, 2):
        for each in fleet.engine(number).containers():
            if each.image == NEW and each.state == "running":
                fleet.engine(number).crash(each.id, 3)


def upgrade(fleet: SimulatedFleet, row: Service, strategy: UpgradeStrategy, **more: Any) -> None:
    config = LaunchConfig.from_wire({"imageUuid": f"docker:{NEW}", **more})
    service_upgrade(row, actor=fleet.actor, config=config, strategy=strategy)
    fleet.run()


def state(row: Service) -> str:
    row.refresh_from_db()
    return str(row.display_state)


def wait(fleet: SimulatedFleet, ticks: int, hook: Callable[[], None] | None = None) -> None:
    """Time passes in ticks, without any look at the hosts."""
    for _ in range(ticks):
        fleet.pass_moment(seconds=TICK)
        if hook is not None:
            hook()


def test_the_old_one_serves_until_the_new_one_has_run_for_a_while(fleet: SimulatedFleet, web: Service) -> None:
    upgrade(fleet, web, START_FIRST)
    wait(fleet, 4)
    assert images(fleet) == [OLD, OLD, NEW]
    wait(fleet, 2)
    assert images(fleet) in ([OLD, NEW], [OLD, NEW, NEW])
    wait(fleet, 12)
    assert (state(web), images(fleet)) == ("upgraded", [NEW, NEW])


def test_the_old_ones_serve_while_the_new_one_crashes_again_and_again(fleet: SimulatedFleet, web: Service) -> None:
    upgrade(fleet, web, START_FIRST)

    def end() -> None:
        crash(fleet)
        assert images(fleet) == [OLD, OLD]

    wait(fleet, 30, end)
    assert state(web) == "upgrading"
    assert Container.all_objects.filter(image=OLD, desired="running").count() == 2
    assert "crash" in web.message


def test_one_that_ended_unseen_is_looked_at_before_it_takes_over(fleet: SimulatedFleet, web: Service) -> None:
    """A portal that was away, or an event that got lost."""
    upgrade(fleet, web, START_FIRST)
    crash(fleet)
    fleet.pass_moment(seconds=60)
    assert Container.all_objects.filter(image=OLD, desired="running").count() == 2
    wait(fleet, 4)
    assert images(fleet) == [OLD, OLD, NEW], "it was started again, and its time begins anew"


def test_the_next_batch_waits_as_long_and_so_does_the_end(fleet: SimulatedFleet, web: Service) -> None:
    upgrade(fleet, web, STOP_FIRST)
    wait(fleet, 4)
    assert images(fleet) == [NEW, OLD] or images(fleet) == [OLD, NEW]
    wait(fleet, 4)
    assert images(fleet) == [NEW, NEW]
    assert (state(web), web.message) == ("upgrading", "1 of 2 ready")
    wait(fleet, 6)
    assert state(web) == "upgraded"


def test_a_second_batch_never_follows_a_first_that_crashes(fleet: SimulatedFleet, web: Service) -> None:
    upgrade(fleet, web, STOP_FIRST)
    wait(fleet, 30, lambda: crash(fleet))
    assert Container.all_objects.filter(image=OLD, desired="running").count() == 1


def test_the_last_batch_is_waited_for_until_its_check_passes(fleet: SimulatedFleet, web: Service) -> None:
    """Also back again; and one that passes its check need not run any longer."""
    for action in ("", "rollback"):
        if action:
            service_act(web, action, actor=fleet.actor)
            fleet.run()
        else:
            strategy = UpgradeStrategy(batch_size=2, interval_ms=100)
            upgrade(fleet, web, strategy, healthCheck={"port": 80, "initializingTimeout": 60_000})
        new = Container.all_objects.filter(desired="running", removed=None)
        if action:
            wait(fleet, 4)
            assert state(web) == "rolling-back"
            wait(fleet, 3)
            assert state(web) == "active"
            return
        for health, expected in (("initializing", "upgrading"), ("healthy", "upgraded")):
            for each in new:
                run = each.engine_state["started_at"]
                Container.all_objects.filter(pk=each.pk).update(check_report={"state": health, "run": run})
            Container.all_objects.update(next_attempt_at=web.created)
            Service.all_objects.update(next_attempt_at=web.created)
            fleet.run()
            Service.all_objects.update(next_attempt_at=web.created)
            fleet.run()
            assert state(web) == expected


def test_seconds_may_be_set_for_one_upgrade(fleet: SimulatedFleet, web: Service) -> None:
    upgrade(fleet, web, UpgradeStrategy(batch_size=2, interval_ms=100, min_ready=0))
    assert state(web) == "upgraded"
    service_act(web, "finishupgrade", actor=fleet.actor)
    fleet.run()
    config = LaunchConfig.from_wire({"imageUuid": f"docker:{OLD}"})
    strategy = UpgradeStrategy(batch_size=2, interval_ms=100, min_ready=30 * TICK)
    web.refresh_from_db()
    service_upgrade(web, actor=fleet.actor, config=config, strategy=strategy)
    wait(fleet, 29)
    assert state(web) == "upgrading"
    wait(fleet, 3)
    assert state(web) == "upgraded"


def test_a_host_is_left_once_what_takes_over_has_run_for_a_while(fleet: SimulatedFleet, shop: Stack) -> None:
    row = fleet.service(shop, scale=1)
    first = 1 if fleet.names(1) else 2
    host_drain(fleet.host(first), actor=fleet.actor)
    fleet.reconcile_hosts()
    wait(fleet, 4)
    assert (len(fleet.names(1)), len(fleet.names(2))) == (1, 1)
    wait(fleet, 3)
    assert (len(fleet.names(first)), state(row)) == (0, "active")


def test_a_rolling_restart_goes_no_further_when_what_it_restarted_crashes(fleet: SimulatedFleet, web: Service) -> None:
    service_restart(web, actor=fleet.actor, strategy=RestartStrategy(1, 100))
    fleet.run()
    restarted = {each.pk for each in Container.all_objects.filter(restart_mark=1)}
    assert len(restarted) == 1

    def end() -> None:
        for each in Container.all_objects.filter(pk__in=restarted).select_related("host"):
            engine = fleet.engine(int(str(each.host)[1:]))
            if engine.inspect(each.external_id).state == "running":
                engine.crash(each.external_id, 3)

    wait(fleet, 20, end)
    assert Container.all_objects.filter(restart_mark=1).count() == 1
    wait(fleet, 60)
    assert Container.all_objects.filter(restart_mark=1).count() == 2, "it runs again"


def test_containers_note_how_long_they_run_for_as_long_as_may_be_asked_for() -> None:
    assert MAX_READY <= MOST_NOTED
