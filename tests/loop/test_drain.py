"""A host is emptied: replacements elsewhere first, never the last copy stopped, ended at any time."""

from __future__ import annotations

from typing import Any

import pytest

from apps.containers.launch.config import LaunchConfig
from apps.containers.models import Container
from apps.containers.policy_services import policy_set
from apps.containers.services import container_act, container_create
from apps.control.models import Operation, OperationLine
from apps.control.reconcile import fail_overdue, reconcile_one
from apps.core.errors import ActionNotAvailable, Forbidden
from apps.drivers.base import EngineRefused
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.hosts.services import host_act, host_drain, host_update
from apps.stacks.models import Slot, Stack
from apps.stacks.services import service_act, service_update
from tests.loop.simulated_fleet import CONFIG, SimulatedFleet, container_of


def drained(fleet: SimulatedFleet, number: int = 1, **how: Any) -> Host:
    host_drain(fleet.host(number), actor=fleet.actor, **how)
    for _ in range(4):
        fleet.reconcile_hosts()
    return fleet.host(number)


def operation(host: Host) -> Operation:
    found: Operation = Operation.all_objects.get(kind="host", target=host.pk, name="host.evacuate")
    return found


def test_everything_of_services_moves_and_the_host_is_inactive(fleet: SimulatedFleet, shop: Stack) -> None:
    service = fleet.service(shop, scale=4)
    assert sorted(fleet.host_by_slot(service).values()) == ["h1", "h1", "h2", "h2"]
    host = drained(fleet)
    assert (host.display_state, host.transitioning, host.is_draining) == ("inactive", "no", False)
    assert set(fleet.host_by_slot(service).values()) == {"h2"}
    assert (fleet.names(1), len(fleet.names(2))) == ([], 4)
    assert len(set(fleet.running())) == 4
    done = operation(host)
    assert (done.state, done.progress) == ("succeeded", 100)
    lines = list(OperationLine.objects.filter(operation=done).values_list("text", flat=True))
    assert lines[0] == "2 containers of services to leave."
    assert sum("runs on h2 now." in line for line in lines) == 2
    assert lines[-1] == "Nothing is left to move."


def test_the_replacement_runs_before_the_old_one_stops(fleet: SimulatedFleet, shop: Stack) -> None:
    service = fleet.service(shop, scale=1)
    number = 1 if fleet.host_by_slot(service)[1] == "h1" else 2
    old = container_of(service, 1)
    host_drain(fleet.host(number), actor=fleet.actor)
    reconcile_one("host", fleet.host(number).pk)
    reconcile_one("service", service.pk)
    slot = Slot.objects.get(service=service)
    assert slot.successor is not None
    assert (slot.container_id, fleet.host(number).display_state) == (old.pk, "evacuating")
    reconcile_one("container", slot.successor.pk)
    assert len(fleet.running()) == 2  # one too many rather than one too few
    reconcile_one("service", service.pk)
    slot.refresh_from_db()
    assert (slot.container_id != old.pk, slot.successor_id) == (True, None)
    old.refresh_from_db()
    assert old.desired == "removed"
    fleet.run()
    assert len(fleet.running()) == 1


def test_an_unhealthy_replacement_takes_nothing_over(fleet: SimulatedFleet, shop: Stack) -> None:
    service = fleet.service(shop, scale=1)
    number = 1 if fleet.host_by_slot(service)[1] == "h1" else 2
    host_drain(fleet.host(number), actor=fleet.actor)
    reconcile_one("host", fleet.host(number).pk)
    reconcile_one("service", service.pk)
    heir = Slot.objects.get(service=service).successor
    assert heir is not None
    Container.all_objects.filter(pk=heir.pk).update(state="running", health="unhealthy", observed_generation=1)
    reconcile_one("service", service.pk)
    assert Slot.objects.get(service=service).successor_id == heir.pk
    Container.all_objects.filter(pk=heir.pk).update(health="healthy")
    reconcile_one("service", service.pk)
    assert Slot.objects.get(service=service).container_id == heir.pk


def test_without_another_place_it_waits_and_says_why(fleet: SimulatedFleet, shop: Stack) -> None:
    service = fleet.service(shop, scale=2, config={"ports": ["8080:80"]})
    host = drained(fleet)
    assert host.display_state == "evacuating"
    assert "0 of 1 moved" in host.message
    assert "port 8080/tcp is in use" in host.message
    assert (len(fleet.names(1)), len(fleet.names(2))) == (1, 1)
    assert operation(host).state == "running"
    service_update(service, actor=fleet.actor, scale=1)
    for _ in range(3):
        fleet.reconcile_hosts()
    assert fleet.host(1).display_state in {"inactive", "evacuating"}
    assert len(fleet.running()) == 1


def test_a_port_follows_its_container(fleet: SimulatedFleet, shop: Stack) -> None:
    service = fleet.service(shop, scale=1, config={"ports": ["8080:80"]})
    number = 1 if fleet.host_by_slot(service)[1] == "h1" else 2
    assert drained(fleet, number).display_state == "inactive"
    assert (fleet.names(number), fleet.names(3 - number)) == ([], ["shop_web_1"])


@pytest.mark.parametrize(("action", "after"), [("activate", "active"), ("deactivate", "inactive")])
def test_it_ends_at_any_time_and_what_is_not_ready_is_taken_back(
    action: str, after: str, fleet: SimulatedFleet, shop: Stack
) -> None:
    service = fleet.service(shop, scale=2, config={"ports": ["8080:80"]})
    host = drained(fleet)
    assert Slot.objects.exclude(successor=None).count() == 1
    host_act(host, action, actor=fleet.actor)
    for _ in range(3):
        fleet.reconcile_hosts()
    assert (fleet.host(1).display_state, fleet.host(1).drain) == (after, {})
    assert operation(host).state == "superseded"
    assert Slot.objects.exclude(successor=None).count() == 0
    assert sorted(fleet.host_by_slot(service).values()) == ["h1", "h2"]
    assert fleet.running() == ["shop_web_1", "shop_web_2"]
    assert Container.all_objects.filter(removed=None).count() == 2


def test_standalone_containers_stay_and_are_named(fleet: SimulatedFleet, lab: Environment) -> None:
    config = LaunchConfig.from_wire({**CONFIG, "requestedHostId": f"1h{fleet.host(1).pk}"})
    row = container_create(actor=fleet.actor, environment=lab, config=config, name="db")
    fleet.run()
    host = drained(fleet)
    assert (host.display_state, host.status["stays"], fleet.names(1)) == ("inactive", ["db"], ["db"])
    messages = OperationLine.objects.filter(operation=operation(host)).values_list("text", flat=True)
    assert "Will stay: db." in messages[0]
    row.refresh_from_db()
    assert row.display_state == "running"


def test_standalone_containers_are_stopped_on_request_but_never_corrals_own(
    fleet: SimulatedFleet, lab: Environment, actor_of: Any
) -> None:
    policy_set(lab, {"privileged": True}, actor=actor_of("root"))  # without it nobody may ask for Corral's labels
    there = {"requestedHostId": f"1h{fleet.host(1).pk}"}
    made = {
        "db": LaunchConfig.from_wire({**CONFIG, **there}),
        "portal": LaunchConfig.from_wire({**CONFIG, **there, "labels": {"io.corral.system": "portal"}}),
    }
    for name, config in made.items():
        container_create(actor=fleet.actor, environment=lab, config=config, name=name)
    fleet.run()
    host = drained(fleet, stop_standalone=True)
    assert (host.display_state, host.status["stays"], fleet.names(1)) == ("inactive", ["portal"], ["portal"])
    assert Container.all_objects.get(name="db").display_state == "stopped"


def test_a_finished_drain_leaves_alone_what_is_started_afterwards(fleet: SimulatedFleet, lab: Environment) -> None:
    config = LaunchConfig.from_wire({**CONFIG, "requestedHostId": f"1h{fleet.host(1).pk}"})
    row = container_create(actor=fleet.actor, environment=lab, config=config, name="db")
    fleet.run()
    drained(fleet, stop_standalone=True)
    row.refresh_from_db()
    container_act(row, "start", actor=fleet.actor)
    fleet.run()
    host_update(fleet.host(1), actor=fleet.actor, labels={"zone": "a"})
    fleet.reconcile_hosts()
    assert (fleet.names(1), fleet.host(1).display_state, fleet.host(1).status["stays"]) == (["db"], "inactive", [])


def test_a_stopped_service_leaves_without_a_trace_and_comes_back_elsewhere(fleet: SimulatedFleet, shop: Stack) -> None:
    service = fleet.service(shop, scale=2)
    service_act(service, "deactivate", actor=fleet.actor)
    fleet.run()
    assert drained(fleet).display_state == "inactive"
    service.refresh_from_db()
    service_act(service, "activate", actor=fleet.actor)
    fleet.run()
    assert (fleet.names(1), fleet.names(2)) == ([], ["shop_web_1", "shop_web_2"])


def test_a_service_removed_meanwhile_takes_its_successors_along(fleet: SimulatedFleet, shop: Stack) -> None:
    service = fleet.service(shop, scale=2, config={"ports": ["8080:80"]})
    drained(fleet)
    service.refresh_from_db()
    service_act(service, "remove", actor=fleet.actor)
    for _ in range(3):
        fleet.reconcile_hosts()
    service.refresh_from_db()
    assert (service.display_state, fleet.running(), Container.all_objects.filter(removed=None).count()) == (
        "removed",
        [],
        0,
    )


def test_scaling_down_meanwhile_leaves_no_successor_behind(fleet: SimulatedFleet, shop: Stack) -> None:
    service = fleet.service(shop, scale=2, config={"ports": ["8080:80"]})
    moving = next(number for number, host in fleet.host_by_slot(service).items() if host == "h1")
    drained(fleet)
    service.refresh_from_db()
    service_update(service, actor=fleet.actor, scale=0)
    for _ in range(3):
        fleet.reconcile_hosts()
    assert moving in {1, 2}
    assert (fleet.running(), fleet.host(1).display_state) == ([], "inactive")
    assert Container.all_objects.filter(removed=None).count() == 0


def test_a_replacement_that_cannot_be_made_keeps_the_old_one(fleet: SimulatedFleet, shop: Stack) -> None:
    service = fleet.service(shop, scale=1)
    number = 1 if fleet.host_by_slot(service)[1] == "h1" else 2
    fleet.engine(3 - number).fail_next("create", EngineRefused("no such runtime"), times=99)
    host = drained(fleet, number)
    assert (host.display_state, "no such runtime" in host.message) == ("evacuating", True)
    assert fleet.names(number) == ["shop_web_1"]


def test_a_drain_has_a_day_where_others_have_minutes(fleet: SimulatedFleet, shop: Stack) -> None:
    fleet.service(shop, scale=2, config={"ports": ["8080:80"]})
    host = drained(fleet)
    fleet.pass_time(hours=2)
    fail_overdue()
    assert operation(host).state == "running"
    fleet.pass_time(hours=23)
    fail_overdue()
    assert operation(host).state == "failed"
    assert "Not done after 86400 s" in operation(host).message


@pytest.mark.parametrize("who", ["rex", "rita", "mallory"])
def test_only_who_may_change_hosts_may_empty_them(who: str, fleet: SimulatedFleet, actor_of: Any) -> None:
    with pytest.raises(Forbidden):
        host_drain(fleet.host(1), actor=actor_of(who))
    assert fleet.host(1).display_state == "active"


def test_a_silent_host_is_not_emptied(fleet: SimulatedFleet) -> None:
    fleet.engine(1).down = True
    fleet.reconcile_hosts()
    with pytest.raises(ActionNotAvailable):
        host_drain(fleet.host(1), actor=fleet.actor)


def test_an_engine_that_goes_silent_meanwhile_goes_on_when_it_is_back(fleet: SimulatedFleet, shop: Stack) -> None:
    service = fleet.service(shop, scale=2)
    host_drain(fleet.host(1), actor=fleet.actor)
    reconcile_one("host", fleet.host(1).pk)
    fleet.engine(1).down = True
    fleet.pass_time(seconds=300)
    assert (fleet.host(1).display_state, operation(fleet.host(1)).state) == ("reconnecting", "running")
    assert len(fleet.names(2)) == 2
    fleet.engine(1).down = False
    for _ in range(3):
        fleet.reconcile_hosts()
    assert (fleet.host(1).display_state, fleet.names(1)) == ("inactive", [])
    assert set(fleet.host_by_slot(service).values()) == {"h2"}
