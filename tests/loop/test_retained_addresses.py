"""A service that retains addresses: whatever replaces a container has its address, wherever it runs."""

from __future__ import annotations

import pytest

from apps.containers.services import container_act
from apps.drivers.base import EngineError
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.hosts.services import host_drain
from apps.network.models import Address, HostNetwork
from apps.stacks.models import Service, Stack
from apps.stacks.service_options import ServiceOptions
from apps.stacks.services import service_act
from tests.loop.simulated_fleet import SimulatedFleet, container_of

RETAIN = ServiceOptions(address_settings={"retainIp": True})


@pytest.fixture(autouse=True)
def _networks(fleet: SimulatedFleet) -> None:
    for number in (1, 2):
        host = fleet.host(number)
        Host.all_objects.filter(pk=host.pk).update(system_container=True, address=f"192.0.2.{number}")
        HostNetwork.objects.filter(pk=host.pk).update(state="active", reason="", address=f"192.0.2.{number}")


def addresses(service: Service, scale: int) -> list[str]:
    return [container_of(service, number).address for number in range(1, scale + 1)]


def settle(fleet: SimulatedFleet) -> None:
    for _ in range(5):
        fleet.pass_time(seconds=6)


def test_a_replaced_container_keeps_the_address_of_its_place(fleet: SimulatedFleet, shop: Stack):
    service = fleet.service(shop, scale=2, options=RETAIN)
    before = addresses(service, 2)
    old = container_of(service, 1)
    container_act(old, "remove", actor=fleet.actor)
    settle(fleet)
    assert container_of(service, 1).pk != old.pk
    assert addresses(service, 2) == before


def test_without_it_another_address_comes(fleet: SimulatedFleet, shop: Stack):
    service = fleet.service(shop, scale=1)
    before = addresses(service, 1)
    container_act(container_of(service, 1), "remove", actor=fleet.actor)
    settle(fleet)
    assert addresses(service, 1) != before


def test_a_drained_host_s_containers_take_their_addresses_along(fleet: SimulatedFleet, shop: Stack):
    service = fleet.service(shop, scale=2, options=RETAIN)
    before, hosts = addresses(service, 2), fleet.host_by_slot(service)
    assert sorted(hosts.values()) == ["h1", "h2"]
    host_drain(fleet.host(1), actor=fleet.actor)
    settle(fleet)
    assert set(fleet.host_by_slot(service).values()) == {"h2"}
    assert addresses(service, 2) == before
    assert len(fleet.running()) == 2


def test_nobody_ends_for_one_whose_image_is_not_there(fleet: SimulatedFleet, shop: Stack):
    for number in (1, 2):
        fleet.engine(number).registry.add("web:1")
    service = fleet.service(shop, scale=1, options=RETAIN, config={"imageUuid": "docker:web:1"})
    here = 1 if fleet.host_by_slot(service)[1] == "h1" else 2
    there = fleet.engine(3 - here)
    for call in ("pull", "load"):  # neither from a registry nor from the other host
        there.fail_next(call, EngineError("no such registry"), times=99)
    assert there.find_image("web:1") is None
    host_drain(fleet.host(here), actor=fleet.actor)
    fleet.reconcile_hosts()
    settle(fleet)
    assert fleet.names(here) == ["shop_web_1"]


def test_the_addresses_of_a_removed_service_are_free(fleet: SimulatedFleet, shop: Stack, lab: Environment):
    service = fleet.service(shop, scale=2, options=RETAIN)
    service_act(service, "remove", actor=fleet.actor)
    settle(fleet)
    assert Service.all_objects.get(pk=service.pk).display_state == "removed"
    assert not Address.objects.filter(environment=lab).exclude(retained_for="").exists()
    assert not Address.objects.filter(environment=lab, holder__isnull=False).exists()
