"""Hosts that leave in the middle of an upgrade: each slot gets one new container, and nothing waits for good."""

from __future__ import annotations

import pytest

from apps.containers.launch.config import LaunchConfig
from apps.containers.models import Container
from apps.control.reconcile import reconcile_one
from apps.hosts.services import host_drain
from apps.stacks.models import Service, Slot, Stack
from apps.stacks.upgrade_services import service_upgrade, service_upgrade_step
from apps.stacks.upgrade_strategy import UpgradeStrategy
from tests.loop.simulated_fleet import SimulatedFleet, container_of

NEW = LaunchConfig.from_wire({"imageUuid": "docker:bb:new"})
START_FIRST = UpgradeStrategy(batch_size=9, interval_ms=100, start_first=True)
STOP_FIRST = UpgradeStrategy(batch_size=9, interval_ms=100)


@pytest.fixture
def service(fleet: SimulatedFleet, shop: Stack) -> Service:
    """One container."""
    for number in (1, 2):
        fleet.engine(number).local_images.add("bb:new")
    return fleet.service(shop, scale=1, lost_host=("reschedule", 60))


def host_number(row: Service) -> int:
    return int(str(container_of(row, 1).host)[1:])


def settle(fleet: SimulatedFleet, row: Service) -> Service:
    for _ in range(4):
        fleet.pass_time(seconds=61)
    found: Service = Service.all_objects.get(pk=row.pk)
    return found


def there(row: Service) -> list[tuple[str, str, str]]:
    """Image, host and desired state of its containers."""
    rows = Container.all_objects.filter(spread_key=str(row.uuid), removed=None).exclude(desired="removed")
    return sorted((each.image, str(each.host), each.desired) for each in rows.select_related("host"))


def begin(fleet: SimulatedFleet, row: Service, strategy: UpgradeStrategy) -> None:
    service_upgrade(row, actor=fleet.actor, config=NEW, strategy=strategy)
    reconcile_one("service", row.pk)


def test_a_successor_that_two_plans_wait_for_takes_over_once(fleet: SimulatedFleet, service: Service) -> None:
    """The upgrade and the drain both replace the container, and its successor is ready for either."""
    number = host_number(service)
    begin(fleet, service, START_FIRST)
    heir = Slot.objects.get(service=service).successor
    assert heir is not None
    reconcile_one("container", heir.pk)
    host_drain(fleet.host(number), actor=fleet.actor)
    Container.all_objects.filter(pk=heir.pk).update(host=fleet.host(3 - number))
    reconcile_one("service", service.pk)
    slot = Slot.objects.get(service=service)
    assert (slot.container_id, slot.successor_id) == (heir.pk, None)
    heir.refresh_from_db()
    assert heir.desired == "running"
    assert Container.all_objects.exclude(desired="removed").count() == 1


def test_one_that_is_stopped_for_an_upgrade_on_a_host_that_leaves_gets_one_successor(
    fleet: SimulatedFleet, service: Service
) -> None:
    number = host_number(service)
    begin(fleet, service, STOP_FIRST)
    reconcile_one("container", container_of(service, 1).pk)
    host_drain(fleet.host(number), actor=fleet.actor)
    reconcile_one("service", service.pk)
    assert Container.all_objects.exclude(desired="removed").count() == 2
    row = settle(fleet, service)
    assert (row.display_state, there(row)) == ("upgraded", [("bb:new", f"h{3 - number}", "running")])
    assert fleet.host(number).display_state == "inactive"


@pytest.mark.parametrize("how", ["drained", "lost"])
def test_a_new_container_whose_host_leaves_before_it_is_ready_is_made_elsewhere(
    fleet: SimulatedFleet, service: Service, how: str
) -> None:
    number = host_number(service)
    begin(fleet, service, START_FIRST)
    heir = Slot.objects.get(service=service).successor
    assert heir is not None
    Container.all_objects.filter(pk=heir.pk).update(host=fleet.host(3 - number))  # there, and not created yet
    if how == "drained":
        host_drain(fleet.host(3 - number), actor=fleet.actor)
    else:
        fleet.engine(3 - number).down = True
    row = settle(fleet, service)
    assert row.display_state == "upgraded"
    assert ("bb:new", f"h{number}", "running") in there(row)


@pytest.mark.parametrize("end", ["rollback", "finishupgrade"])
def test_what_is_kept_for_a_rollback_does_not_keep_a_host_from_being_emptied(
    fleet: SimulatedFleet, service: Service, end: str
) -> None:
    number = host_number(service)
    begin(fleet, service, STOP_FIRST)
    row = settle(fleet, service)
    assert (row.display_state, len(there(row))) == ("upgraded", 2)
    host_drain(fleet.host(number), actor=fleet.actor)
    row = settle(fleet, row)
    assert (fleet.host(number).display_state, fleet.engine(number).containers()) == ("inactive", [])
    service_upgrade_step(row, end, actor=fleet.actor)
    row = settle(fleet, row)
    image = "bb:local" if end == "rollback" else "bb:new"
    assert (row.display_state, there(row)) == ("active", [(image, f"h{3 - number}", "running")])
