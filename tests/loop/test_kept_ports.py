"""Rollbacks of services with a fixed host port: what was kept goes back to its host, or is made again on another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import pytest

from apps.containers.launch.config import LaunchConfig
from apps.containers.models import Container
from apps.drivers.base import EngineError, EngineRefused
from apps.drivers.simulated.engine import SimulatedDriver
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.hosts.services import host_act, host_create
from apps.stacks.models import Service, Slot, Stack
from apps.stacks.services import service_act, service_create
from apps.stacks.sidekicks import Sidekick, UnitConfig
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


@contextmanager
def refused_starts(engine: SimulatedDriver) -> Iterator[list[str]]:
    """The starts that the engine refuses meanwhile, by its reasons."""
    refused: list[str] = []
    start = engine.start

    def watched(container: str) -> None:
        try:
            start(container)
        except EngineError as error:
            refused.append(str(error))
            raise

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "start", watched)
        yield refused


def tied_service(fleet: SimulatedFleet, stack: Stack, kind: str) -> tuple[Service, LaunchConfig]:
    """An active service with the port whose containers are for the hosts where they are, and a next one without it."""
    more: dict[str, dict[str, object]] = {
        "sidekicks": {},
        "global": {"labels": {"io.rancher.scheduler.global": "true"}},
        "requested host": {"requestedHostId": f"1h{fleet.hosts[0].pk}"},
    }
    first, then = (
        LaunchConfig.from_wire({"imageUuid": f"docker:bb:{image}", **more[kind], **ports})
        for image, ports in (("local", {"ports": PORTS}), ("new", {}))
    )
    sidekicks = (Sidekick("log", LaunchConfig.from_wire({"imageUuid": "docker:bb:local"})),)
    unit = UnitConfig(first, sidekicks if kind == "sidekicks" else ())
    row = service_create(actor=fleet.actor, stack=stack, name="web", config=unit, scale=1, start_on_create=True)
    fleet.run()
    return row, then


@pytest.mark.parametrize("kind", ["sidekicks", "global", "requested host"])
def test_what_is_tied_to_its_host_waits_for_the_port_and_says_who_has_it(
    fleet: SimulatedFleet, shop: Stack, kind: str
) -> None:
    for number in (1, 2):
        fleet.engine(number).local_images.add("bb:new")
    row, then = tied_service(fleet, shop, kind)
    before = {each.external_id for each in Container.all_objects.filter(spread_key=str(row.uuid), removed=None)}
    row.refresh_from_db()
    service_upgrade(row, actor=fleet.actor, config=then, strategy=strategy(start_first=False))
    row = settle(fleet, row)
    assert row.display_state == "upgraded", row.message
    first = Slot.objects.select_related("previous__host").get(service=row, number=1)
    assert first.previous is not None
    host = str(first.previous.host)
    other = occupy(fleet, shop, host)
    service_upgrade_step(row, "rollback", actor=fleet.actor)
    with refused_starts(fleet.engine(int(host[1:]))) as refused:
        row = settle(fleet, row, 6)
    assert row.display_state == "rolling-back"
    waits = f"Waits for port 8090/tcp of {host}, which shop_other_1 of the service shop/other has."
    assert row.message == f"shop_web_1: {waits} Stop that, or publish another port."
    assert refused == [], "an engine is not asked for what it cannot do"
    if kind == "global":
        assert ("bb:local", "h2") in places(row), "a host whose port is free is not kept waiting"
    service_act(other, "remove", actor=fleet.actor)
    row = settle(fleet, row, 4)
    assert (row.display_state, row.message) == ("active", "")
    found = Container.all_objects.filter(spread_key=str(row.uuid), removed=None).exclude(desired="removed")
    assert {each.external_id for each in found} == before
