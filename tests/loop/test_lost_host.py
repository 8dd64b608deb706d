"""A host is lost: its services wait, or their containers are replaced elsewhere and the old copies fenced."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from apps.containers.launch.config import LaunchConfig
from apps.containers.models import Container
from apps.containers.services import container_act, container_create
from apps.control.reconcile import reconcile_one
from apps.core.errors import Invalid
from apps.hosts.models import Host
from apps.hosts.selectors import reschedules_at
from apps.hosts.services import host_create
from apps.stacks.models import Service, Slot, Stack
from apps.stacks.services import service_update
from tests.loop.simulated_fleet import Clock, SimulatedFleet, container_of

RESCHEDULE = ("reschedule", 60)


def reload(row: Any) -> Any:
    return type(row).all_objects.get(pk=row.pk)


def lose(fleet: SimulatedFleet, number: int = 2) -> Host:
    fleet.engine(number).down = True
    fleet.reconcile_hosts()
    return fleet.host(number)


def bring_back(fleet: SimulatedFleet, number: int = 2) -> Host:
    fleet.engine(number).down = False
    for _ in range(4):
        fleet.reconcile_hosts()
    return fleet.host(number)


def test_a_service_that_waits_changes_nothing(fleet: SimulatedFleet, shop: Stack) -> None:
    service = fleet.service(shop, scale=2)
    before = set(Container.all_objects.values_list("pk", flat=True))
    lose(fleet)
    fleet.pass_time(hours=3)
    assert fleet.names(1) == [f"shop_web_{n}" for n, host in fleet.host_by_slot(service).items() if host == "h1"]
    assert "h2 lost since" in reload(service).message
    assert reload(service).message.endswith("waiting for it")
    assert bring_back(fleet).display_state == "active"
    assert set(Container.all_objects.values_list("pk", flat=True)) == before
    assert (reload(service).message, len(fleet.running())) == ("", 2)


def test_after_its_seconds_they_run_elsewhere(fleet: SimulatedFleet, shop: Stack) -> None:
    service = fleet.service(shop, scale=4, lost_host=RESCHEDULE)
    lose(fleet)
    assert len(fleet.names(1)) == 2
    assert "rescheduling in" in reload(service).message
    fleet.pass_time(seconds=30)
    assert (len(fleet.names(1)), set(fleet.host_by_slot(service).values())) == (2, {"h1", "h2"})
    fleet.pass_time(seconds=40)
    assert (len(fleet.names(1)), set(fleet.host_by_slot(service).values())) == (4, {"h1"})


def test_the_old_copies_are_gone_before_the_host_counts_again(fleet: SimulatedFleet, shop: Stack) -> None:
    service = fleet.service(shop, scale=4, lost_host=RESCHEDULE)
    lose(fleet)
    fleet.pass_time(seconds=90)
    assert len(fleet.names(1)) == 4
    fleet.engine(2).down = False
    assert len(fleet.names(2)) == 2  # they ran on behind the cut cable
    reconcile_one("host", fleet.host(2).pk)
    host = fleet.host(2)
    assert host.display_state == "reconnecting"
    assert "first 2 containers replaced elsewhere must be removed" in host.message
    assert bring_back(fleet).display_state == "active"
    assert fleet.names(2) == []
    assert fleet.running() == [f"shop_web_{n}" for n in range(1, 5)]
    assert Container.all_objects.filter(removed=None).count() == 4
    assert reload(service).display_state == "active"


def test_a_host_back_in_time_changes_nothing(fleet: SimulatedFleet, shop: Stack) -> None:
    service = fleet.service(shop, scale=4, lost_host=RESCHEDULE)
    before = set(Container.all_objects.values_list("pk", flat=True))
    lose(fleet)
    fleet.pass_time(seconds=40)
    assert bring_back(fleet).lost_at is None
    fleet.pass_time(seconds=300)
    assert set(Container.all_objects.values_list("pk", flat=True)) == before
    assert sorted(fleet.host_by_slot(service).values()) == ["h1", "h1", "h2", "h2"]


def test_a_host_back_before_the_replacement_runs_keeps_its_own(fleet: SimulatedFleet, shop: Stack) -> None:
    service = fleet.service(shop, scale=2, lost_host=RESCHEDULE, config={"ports": ["8080:80"]})
    lose(fleet)
    fleet.pass_time(seconds=90)
    assert Slot.objects.exclude(successor=None).count() == 1
    assert bring_back(fleet).display_state == "active"
    assert sorted(fleet.host_by_slot(service).values()) == ["h1", "h2"]
    assert fleet.running() == ["shop_web_1", "shop_web_2"]
    assert Container.all_objects.filter(removed=None).count() == 2
    assert Slot.objects.exclude(successor=None).count() == 0


def test_the_seconds_count_from_the_last_contact_but_the_portal_makes_sure(fleet: SimulatedFleet, shop: Stack) -> None:
    fleet.service(shop, scale=2, lost_host=("reschedule", 10))
    fleet.pass_time(seconds=0)
    seen = fleet.host(2).seen_at
    fleet.engine(2).down = True
    Clock.offset += timedelta(seconds=40)
    reconcile_one("host", fleet.host(2).pk)
    host = fleet.host(2)
    due = reschedules_at(host, 10)
    assert seen is not None
    assert due is not None
    assert host.lost_at is not None
    assert 39 < (host.lost_at - seen).total_seconds() < 45
    assert (due - host.lost_at).total_seconds() == 10
    assert reschedules_at(host, None) is None
    assert reschedules_at(host, 3600) == seen + timedelta(seconds=3600)
    assert reschedules_at(fleet.host(1), 10) is None


def test_a_policy_changed_while_the_host_is_away_counts_at_once(fleet: SimulatedFleet, shop: Stack) -> None:
    service = fleet.service(shop, scale=2)
    lose(fleet)
    fleet.pass_time(seconds=600)
    assert len(fleet.names(1)) == 1
    service_update(reload(service), actor=fleet.actor, lost_host=("reschedule", 120))
    fleet.reconcile_hosts()
    fleet.reconcile_hosts()
    assert len(fleet.names(1)) == 2


def test_one_removed_by_hand_on_a_lost_host_is_replaced_and_fenced(fleet: SimulatedFleet, shop: Stack) -> None:
    service = fleet.service(shop, scale=2)
    lose(fleet)
    number = next(n for n, host in fleet.host_by_slot(service).items() if host == "h2")
    container_act(container_of(service, number), "remove", actor=fleet.actor)
    fleet.pass_time(seconds=25)
    assert len(fleet.names(1)) == 2
    bring_back(fleet)
    assert fleet.running() == ["shop_web_1", "shop_web_2"]


def test_standalone_containers_of_a_lost_host_are_let_be(fleet: SimulatedFleet, shop: Stack, lab: Any) -> None:
    config = LaunchConfig.from_wire({"imageUuid": "docker:bb:local", "requestedHostId": f"1h{fleet.host(2).pk}"})
    row = container_create(actor=fleet.actor, environment=lab, config=config, name="db")
    fleet.run()
    lose(fleet)
    fleet.pass_time(hours=1)
    assert (reload(row).display_state, fleet.names(1)) == ("running", [])
    bring_back(fleet)
    assert fleet.names(2) == ["db"]


def test_a_successor_on_a_host_that_is_lost_too_is_replaced_again(fleet: SimulatedFleet, shop: Stack, lab: Any) -> None:
    service = fleet.service(shop, scale=2, lost_host=RESCHEDULE, config={"ports": ["8080:80"]})
    fleet.hosts.append(host_create(actor=None, environment=lab, url="sim://fleet3", name="h3"))
    fleet.run()
    lose(fleet, 2)
    fleet.pass_time(seconds=90)
    assert sorted(fleet.host_by_slot(service).values()) == ["h1", "h3"]
    fleet.engine(2).down = False
    for _ in range(3):
        fleet.reconcile_hosts()
    lose(fleet, 3)
    fleet.pass_time(seconds=90)
    assert sorted(fleet.host_by_slot(service).values()) == ["h1", "h2"]
    bring_back(fleet, 3)
    assert fleet.running() == ["shop_web_1", "shop_web_2"]


@pytest.mark.parametrize(
    ("policy", "seconds", "field", "code"),
    [
        ("never", None, "lostHostPolicy", "InvalidOption"),
        ("reschedule", 9, "lostHostSeconds", "MinLimitExceeded"),
        ("reschedule", 86_401, "lostHostSeconds", "MaxLimitExceeded"),
        ("reschedule", True, "lostHostSeconds", "InvalidFormat"),
        ("reschedule", "60", "lostHostSeconds", "InvalidFormat"),
        (None, 60, "lostHostSeconds", "InvalidOption"),
    ],
)
def test_a_bad_policy_is_refused(
    policy: Any, seconds: Any, field: str, code: str, fleet: SimulatedFleet, shop: Stack
) -> None:
    with pytest.raises(Invalid) as caught:
        fleet.service(shop, lost_host=(policy, seconds))
    assert (caught.value.field, caught.value.code) == (field, code)
    assert Service.all_objects.count() == 0


@pytest.mark.parametrize(
    ("change", "after"),
    [
        (("reschedule", None), 60),
        (("reschedule", 300), 300),
        (("wait", None), None),
        ((None, None), 90),
        ((None, 45), 45),
        (("wait", 45), None),
    ],
)
def test_what_is_not_said_stays(change: Any, after: int | None, fleet: SimulatedFleet, shop: Stack) -> None:
    service = fleet.service(shop, scale=0, lost_host=("reschedule", 90))
    expected = 90 if change == ("reschedule", None) else after
    service_update(service, actor=fleet.actor, lost_host=change, description="x")
    assert reload(service).lost_after == expected
