"""The destructive tests that make sense on simulated engines: D4 to D7, each with its own outcome."""

from __future__ import annotations

import pytest
from django.utils import timezone

from apps.containers.models import Container
from apps.containers.services import container_act
from apps.control.reconcile import reconcile_one
from apps.hosts.models import Host
from apps.hosts.services import host_act
from apps.stacks.models import Service, Stack
from apps.stacks.services import service_update
from tests.loop.simulated_fleet import SimulatedFleet, container_of


def host_of_slots(fleet: SimulatedFleet, service: Service) -> int:
    """The number of the host that the first container is on."""
    return int(fleet.host_by_slot(service)[1][1:])


def test_d4_a_host_without_its_agent_is_lost_its_containers_are_not(fleet: SimulatedFleet, shop: Stack) -> None:
    service = fleet.service(shop, scale=2)
    fleet.engine(2).down = True
    fleet.reconcile_hosts()
    assert (fleet.host(2).display_state, len(fleet.names(1))) == ("reconnecting", 1)
    service_update(service, actor=fleet.actor, scale=4)
    fleet.pass_time(seconds=30)
    assert sorted(fleet.host_by_slot(service).values()) == ["h1", "h1", "h1", "h2"]  # nothing new comes to it
    fleet.engine(2).down = False
    fleet.reconcile_hosts()
    assert (fleet.host(2).display_state, len(fleet.running())) == ("active", 4)


def test_d5_one_removed_in_the_portal_is_replaced_on_another_host(fleet: SimulatedFleet, shop: Stack) -> None:
    service = fleet.service(shop, scale=1)
    old, number = container_of(service, 1), host_of_slots(fleet, service)
    container_act(old, "remove", actor=fleet.actor)
    fleet.run()
    fleet.reconcile_hosts()
    assert host_of_slots(fleet, service) == 3 - number
    assert container_of(service, 1).pk != old.pk
    assert fleet.running() == ["shop_web_1"]


def test_d5_where_no_other_host_is_at_work_the_same_one_will_do(fleet: SimulatedFleet, shop: Stack) -> None:
    service = fleet.service(shop, scale=1)
    number = host_of_slots(fleet, service)
    host_act(fleet.host(3 - number), "deactivate", actor=fleet.actor)
    fleet.run()
    container_act(container_of(service, 1), "remove", actor=fleet.actor)
    fleet.run()
    fleet.reconcile_hosts()
    assert (host_of_slots(fleet, service), fleet.running()) == (number, ["shop_web_1"])


@pytest.mark.parametrize("sends_event", [True, False])
def test_d6_one_removed_at_the_engine_comes_back_on_the_same_host(
    sends_event: bool, fleet: SimulatedFleet, shop: Stack
) -> None:
    service = fleet.service(shop, scale=1)
    old, number = container_of(service, 1), host_of_slots(fleet, service)
    fleet.engine(number).remove(old.external_id)
    if sends_event:
        reconcile_one("container", old.pk)
    else:
        fleet.reconcile_hosts()  # no event came: the scan finds it
    fleet.run()
    new = container_of(service, 1)
    assert (host_of_slots(fleet, service), new.pk, new.external_id != old.external_id) == (number, old.pk, True)
    assert (fleet.names(number), fleet.names(3 - number)) == (["shop_web_1"], [])


def test_d7_what_is_removed_behind_a_lost_host_is_not_noticed_until_it_is_back(
    fleet: SimulatedFleet, shop: Stack
) -> None:
    service = fleet.service(shop, scale=1)
    old, number = container_of(service, 1), host_of_slots(fleet, service)
    engine = fleet.engine(number)
    engine.remove(old.external_id)
    engine.down = True
    fleet.reconcile_hosts()
    reconcile_one("container", old.pk)
    fleet.pass_time(hours=1)
    row = Container.all_objects.get(pk=old.pk)
    assert (row.display_state, row.host_id, row.external_id) == ("running", fleet.host(number).pk, old.external_id)
    assert fleet.host(number).is_unreachable
    assert (fleet.names(3 - number), "lost since" in Service.all_objects.get(pk=service.pk).message) == ([], True)
    engine.down = False
    Host.all_objects.update(next_attempt_at=timezone.now())
    fleet.reconcile_hosts()
    reconcile_one("container", old.pk)
    assert (fleet.names(number), host_of_slots(fleet, service)) == (["shop_web_1"], number)
