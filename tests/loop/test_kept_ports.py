"""Rollbacks of services with a fixed host port: what was kept goes back to its host, or is made again on another."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from apps.containers.launch.config import LaunchConfig
from apps.containers.models import Container
from apps.drivers.base import EngineRefused
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.hosts.services import host_act, host_create
from apps.stacks.models import Service, Slot, Stack
from apps.stacks.services import service_act, service_create
from apps.stacks.upgrade_services import service_upgrade, service_upgrade_step
from apps.stacks.upgrade_strategy import UpgradeStrategy
from tests.loop.simulated_fleet import SimulatedFleet

PORTS = ["8090:80"]
NEW = LaunchConfig.from_wire({"imageUuid": "docker:bb:new", "ports": PORTS})
OTHER = LaunchConfig.from_wire({"imageUuid": "docker:bb:local", "ports": PORTS})


def strategy(*, start_first: bool) -> UpgradeStrategy:
    return UpgradeStrategy(batch_size=1, interval_ms=100, start_first=start_first)


@pytest.fixture
def service(fleet: SimulatedFleet, shop: Stack, lab: Environment) -> Service:
    """Two containers on two of three hosts, each with port 8090."""
    fleet.hosts.append(host_create(actor=None, environment=lab, url="sim://fleet3", name="h3"))
    fleet.run()
    for number in (1, 2, 3):
        fleet.engine(number).local_images.add("bb:new")
    return fleet.service(shop, scale=2, config={"ports": PORTS})


def settle(fleet: SimulatedFleet, row: Service, rounds: int = 8) -> Service:
    for _ in range(rounds):
        fleet.pass_time(seconds=61)
    found: Service = Service.all_objects.get(pk=row.pk)
    return found


def upgrade(fleet: SimulatedFleet, row: Service, *, start_first: bool = True) -> Service:
    service_upgrade(row, actor=fleet.actor, config=NEW, strategy=strategy(start_first=start_first))
    found = settle(fleet, row)
    assert found.display_state == "upgraded", found.message
    return found


def places(row: Service, attribute: str = "container") -> list[tuple[str, str]]:
    """Image and host of what the slots have, or keep."""
    slots = Slot.objects.filter(service=row).order_by("number").select_related(f"{attribute}__host")
    found: Iterable[Container | None] = (getattr(slot, attribute) for slot in slots)
    return [(each.image, str(each.host)) for each in found if each is not None]


def images(fleet: SimulatedFleet) -> list[str]:
    """Of all that runs anywhere."""
    boxes = [box for number in (1, 2, 3) for box in fleet.engine(number).containers()]
    return sorted(box.image for box in boxes if box.state == "running")


def occupy(fleet: SimulatedFleet, stack: Stack, host: str) -> Service:
    """Have another service take the port on a host."""
    pk = next(each.pk for each in fleet.hosts if each.name == host)
    config = LaunchConfig.from_wire({**OTHER.to_wire(), "requestedHostId": f"1h{pk}"})
    row = service_create(actor=fleet.actor, stack=stack, name="other", config=config, scale=1, start_on_create=True)
    fleet.run()
    row.refresh_from_db()
    assert row.display_state == "active", row.message
    return row


@pytest.mark.parametrize("start_first", [True, False])
def test_a_rollback_frees_the_port_of_the_host_that_a_kept_container_returns_to(
    fleet: SimulatedFleet, service: Service, *, start_first: bool
) -> None:
    before = places(service)
    row = upgrade(fleet, service, start_first=start_first)
    service_upgrade_step(row, "rollback", actor=fleet.actor)
    row = settle(fleet, row)
    assert (row.display_state, row.message) == ("active", "")
    assert (places(row), images(fleet)) == (before, ["bb:local", "bb:local"])


def test_what_is_still_being_removed_gives_way_and_the_kept_container_is_not_made_again(
    fleet: SimulatedFleet, service: Service
) -> None:
    before = places(service)
    row = upgrade(fleet, service)
    for number in (1, 2, 3):
        fleet.engine(number).fail_next("remove", EngineRefused("busy"), 3)
    service_upgrade_step(row, "rollback", actor=fleet.actor)
    row = settle(fleet, row, 12)
    assert (row.display_state, row.message) == ("active", "")
    assert (places(row), images(fleet)) == (before, ["bb:local", "bb:local"])


@pytest.mark.parametrize("turns", [1, 2, 3, 6])
def test_a_rollback_that_is_canceled_can_be_finished(fleet: SimulatedFleet, service: Service, turns: int) -> None:
    row = upgrade(fleet, service)
    service_upgrade_step(row, "rollback", actor=fleet.actor)
    for _ in range(turns):
        fleet.pass_moment(seconds=1)
    row.refresh_from_db()
    if row.display_state == "rolling-back":
        service_upgrade_step(row, "cancelrollback", actor=fleet.actor)
        row = settle(fleet, row)
        assert row.display_state == "canceled-rollback", row.message
        service_upgrade_step(row, "finishupgrade", actor=fleet.actor)
        row = settle(fleet, row)
    assert (row.display_state, row.message) == ("active", "")
    assert images(fleet) == ["bb:local", "bb:local"]


@pytest.mark.parametrize("start_first", [True, False])
def test_where_another_service_took_the_port_the_old_one_is_made_again_on_a_host_where_it_fits(
    fleet: SimulatedFleet, service: Service, shop: Stack, *, start_first: bool
) -> None:
    row = upgrade(fleet, service, start_first=start_first)
    free = next(host for host in ("h1", "h2", "h3") if host not in {name for _image, name in places(row)})
    occupy(fleet, shop, free)
    service_upgrade_step(row, "rollback", actor=fleet.actor)
    row = settle(fleet, row, 12)
    assert (row.display_state, row.message) == ("active", "")
    assert images(fleet) == ["bb:local", "bb:local", "bb:local"]
    assert free not in {host for _image, host in places(row)}


def test_where_nothing_fits_the_reason_is_shown_and_the_rollback_completes_once_a_host_does(
    fleet: SimulatedFleet, service: Service, shop: Stack
) -> None:
    row = upgrade(fleet, service)
    free = next(host for host in ("h1", "h2", "h3") if host not in {name for _image, name in places(row)})
    other = occupy(fleet, shop, free)
    hosts = list(Host.all_objects.exclude(name=free))
    for host in hosts:
        host_act(host, "deactivate", actor=fleet.actor)
    fleet.run()
    service_upgrade_step(row, "rollback", actor=fleet.actor)
    row = settle(fleet, row)
    assert row.display_state == "rolling-back"
    assert "port 8090/tcp is in use by shop_other_1" in row.message
    service_act(other, "remove", actor=fleet.actor)
    for host in Host.all_objects.exclude(name=free):
        host_act(host, "activate", actor=fleet.actor)
    row = settle(fleet, row, 12)
    assert (row.display_state, row.message) == ("active", "")
    assert images(fleet) == ["bb:local", "bb:local"]
