"""What is predicted is what happens: on simulated hosts, the same question asked and then done."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.containers.launch.config import LaunchConfig
from apps.containers.models import Container
from apps.containers.services import container_create
from apps.control.models import Operation
from apps.core.errors import Invalid
from apps.drivers import registry
from apps.drivers.base import Endpoint
from apps.environments.models import Environment
from apps.hosts.affinity import PREFIX
from apps.hosts.models import Host
from apps.hosts.services import host_create, host_update
from apps.stacks.models import Service, Stack
from apps.stacks.services import service_act, service_create, service_update
from apps.stacks.sidekicks import Sidekick, UnitConfig
from apps.stacks.what_if import WhatIf, changed_labels, what_if_host_lost, what_if_labeled, what_if_scaled
from tests.loop.simulated_fleet import CONFIG, SimulatedFleet

MIB = 1024 * 1024
NUMBERS = itertools.count()  # a service that is left over from a failed example has its name still
SERVICE_RULE = "io.rancher.stack_service.name=$${stack_name}/$${service_name}"
RULES = st.sampled_from(
    [
        {},
        {"labels": {f"{PREFIX}container_label_ne": SERVICE_RULE}},
        {"labels": {f"{PREFIX}container_label": SERVICE_RULE}},
        {"labels": {f"{PREFIX}container_label_soft_ne": SERVICE_RULE}},
        {"labels": {f"{PREFIX}host_label": "zone=a"}},
        {"labels": {f"{PREFIX}host_label_soft": "zone=b", f"{PREFIX}container_label_soft": "role=db"}},
        {"labels": {f"{PREFIX}container_label_ne": "role=db"}},
        {"ports": ["8080:80"]},
        {"memoryReservation": 64 * MIB},
    ]
)


@pytest.fixture
def third(fleet: SimulatedFleet, lab: Environment) -> Any:
    """Three hosts of different zones and sizes, with something on one of them."""
    fleet.hosts.append(host_create(actor=None, environment=lab, url="sim://fleet3", name="h3"))
    fleet.run()
    for number, zone in ((1, "a"), (2, "b"), (3, "a")):
        host_update(fleet.host(number), actor=fleet.actor, labels={"zone": zone}, memory_limit=number * 64 * MIB)
    fleet.run()
    config = LaunchConfig.from_wire({**CONFIG, "labels": {"role": "db"}})
    container_create(actor=fleet.actor, environment=lab, config=config, name="db")
    fleet.run()
    yield fleet
    registry.discard_driver(Endpoint("sim://fleet3"))


def predicted(outcome: WhatIf) -> dict[str, str]:
    return {move.container: move.target for move in outcome.placed}


def hosts_of(names: Any) -> dict[str, str]:
    rows = Container.all_objects.filter(name__in=list(names), removed=None).exclude(desired="removed")
    return {row.name: str(row.host or "") for row in rows.select_related("host")}


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rules=RULES, before=st.integers(0, 4), after=st.integers(0, 6))
def test_a_scale_prediction_comes_true(
    third: SimulatedFleet, shop: Stack, rules: dict[str, Any], before: int, after: int
) -> None:
    service = third.service(shop, f"web{next(NUMBERS)}", scale=before, config=rules)
    there = set(hosts_of(_names(service)))
    outcome = what_if_scaled(service, after)
    assert hosts_of(_names(service)).keys() == there  # nothing was touched
    service_update(service, actor=third.actor, scale=after)
    third.run()
    assert hosts_of(predicted(outcome)) == predicted(outcome)
    assert {move.container for move in outcome.removed} == there - set(hosts_of(_names(service)))
    service_act(Service.all_objects.get(pk=service.pk), "remove", actor=third.actor)
    third.run()


def _names(service: Service) -> list[str]:
    return [f"shop_{service.name}_{number}" for number in range(1, 8)]


@settings(max_examples=4, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rules=RULES, scale=st.integers(1, 4), number=st.integers(1, 3))
def test_a_lost_host_prediction_comes_true(
    third: SimulatedFleet, shop: Stack, rules: dict[str, Any], scale: int, number: int
) -> None:
    service = third.service(shop, f"web{next(NUMBERS)}", scale=scale, config=rules, lost_host=("reschedule", 30))
    outcome = what_if_host_lost(third.host(number))
    third.engine(number).down = True
    third.pass_time(seconds=20)
    third.pass_time(seconds=60)
    third.pass_time(seconds=60)
    found = third.host_by_slot(service)
    settled = {int(move.container.rpartition("_")[2]): move.target for move in outcome.settled}
    assert {slot: found[slot] for slot in settled} == settled
    for move in outcome.homeless:
        assert found[int(move.container.rpartition("_")[2])] == f"h{number}"
    third.engine(number).down = False
    third.pass_time(seconds=60)
    service_act(Service.all_objects.get(pk=service.pk), "remove", actor=third.actor)
    third.run()


def test_what_stays_on_a_lost_host_has_its_reason(fleet: SimulatedFleet, shop: Stack, lab: Environment) -> None:
    fleet.service(shop, scale=2, lost_host=("wait", None))
    container_create(actor=fleet.actor, environment=lab, config=LaunchConfig.from_wire(CONFIG), name="alone")
    fleet.run()
    lost = Container.all_objects.get(name="alone").host
    assert lost is not None
    outcome = what_if_host_lost(lost)
    assert outcome.placed == ()
    reasons = {move.container: move.reasons[0] for move in outcome.stays}
    assert reasons.pop("alone") == "it belongs to no service, so nothing replaces it"
    assert set(reasons.values()) == {"the service web waits for a lost host to come back"}


def test_a_label_prediction_comes_true(third: SimulatedFleet, shop: Stack) -> None:
    service = third.service(shop, scale=2, config={"labels": {f"{PREFIX}host_label": "gpu=1"}})
    assert set(third.host_by_slot(service).values()) == {"None"}
    host = third.host(2)
    labels = changed_labels(host, {"gpu": "1"}, ())
    outcome = what_if_labeled(host, labels)
    assert predicted(outcome) == {"shop_web_1": "h2", "shop_web_2": "h2"}
    assert set(hosts_of(predicted(outcome)).values()) == {""}
    host_update(host, actor=third.actor, labels=labels)
    third.pass_time(seconds=30)
    assert hosts_of(predicted(outcome)) == predicted(outcome)
    gone = what_if_labeled(third.host(2), changed_labels(third.host(2), {}, ["gpu"]))
    assert {move.container: move.reasons for move in gone.stays} == dict.fromkeys(
        predicted(outcome), ("the label gpu=1 is missing",)
    )


def test_what_fits_nowhere_says_why(third: SimulatedFleet, shop: Stack) -> None:
    service = third.service(shop, scale=1, config={"ports": ["8080:80"]})
    outcome = what_if_scaled(service, 5)
    assert (len(outcome.settled), len(outcome.homeless)) == (2, 2)
    assert outcome.homeless[0].reasons == (
        "port 8080/tcp is in use by shop_web_1 of the service shop/web (h1, h2, h3)",
    )


@pytest.mark.parametrize("by_sidekick", [False, True], ids=["by its container", "by its sidekick"])
def test_an_inactive_service_s_stopped_containers_hold_their_ports(
    third: SimulatedFleet, shop: Stack, *, by_sidekick: bool
) -> None:
    ports: dict[str, Any] = {"ports": ["8123:80"]}
    log = Sidekick("log", LaunchConfig.from_wire({**CONFIG, **(ports if by_sidekick else {})}))
    primary = LaunchConfig.from_wire({**CONFIG, **({} if by_sidekick else ports)})
    service = service_create(
        actor=third.actor, stack=shop, name="web", config=UnitConfig(primary, (log,)), scale=2, start_on_create=True
    )
    third.run()
    service_act(Service.all_objects.get(pk=service.pk), "deactivate", actor=third.actor)
    third.run()
    service = Service.all_objects.get(pk=service.pk)
    outcome = what_if_scaled(service, 5)
    assert (len(outcome.settled), len(outcome.homeless)) == (2, 4)  # two of each unit
    assert outcome.note == "web is inactive: nothing starts before it is activated. This is what would happen then."
    service_update(service, actor=third.actor, scale=5)
    third.run()
    service_act(Service.all_objects.get(pk=service.pk), "activate", actor=third.actor)
    third.run()
    assert hosts_of(predicted(outcome)) == predicted(outcome)
    assert not what_if_scaled(Service.all_objects.get(pk=service.pk), 6).note


@pytest.mark.parametrize("scale", [-1, 1001, "many", None, True])
def test_a_scale_that_a_service_cannot_have_is_refused(fleet: SimulatedFleet, shop: Stack, scale: Any) -> None:
    with pytest.raises(Invalid) as caught:
        what_if_scaled(fleet.service(shop, scale=0), scale)
    assert caught.value.field == "scale"


def test_nothing_is_written_and_the_queries_do_not_grow(third: SimulatedFleet, shop: Stack) -> None:
    service = third.service(shop, scale=2)
    operations = Operation.all_objects.count()

    def queries(scale: int) -> int:
        with CaptureQueriesContext(connection) as found:
            what_if_scaled(service, scale)
            what_if_host_lost(third.host(1))
        assert not [each for each in found.captured_queries if not each["sql"].startswith("SELECT")]
        return len(found)

    queries(3)  # labels are read once
    assert queries(4) == queries(40)
    assert Operation.all_objects.count() == operations
    assert Host.all_objects.count() == 3


GLOBAL = {"io.rancher.scheduler.global": "true"}


def test_a_global_service_follows_a_label_as_predicted(third: SimulatedFleet, shop: Stack) -> None:
    service = third.service(shop, scale=1, config={"labels": {**GLOBAL, f"{PREFIX}host_label": "zone=a"}})
    assert sorted(third.host_by_slot(service).values()) == ["h1", "h3"]
    host = third.host(2)
    begins = what_if_labeled(host, changed_labels(host, {"zone": "a"}, ()))
    assert predicted(begins) == {"shop_web_3": "h2"}
    first = third.host(1)
    ends = what_if_labeled(first, changed_labels(first, {}, ["zone"]))
    assert [(move.container, move.origin) for move in ends.removed] == [("shop_web_1", "h1")]
    assert "shop_web_1" not in {move.container for move in ends.stays}
    host_update(host, actor=third.actor, labels=changed_labels(host, {"zone": "a"}, ()))
    host_update(first, actor=third.actor, labels=changed_labels(first, {}, ["zone"]))
    third.pass_time(seconds=30)
    assert sorted(third.host_by_slot(service).values()) == ["h2", "h3"]


def test_a_global_service_has_no_scale_to_try_and_waits_for_a_lost_host(third: SimulatedFleet, shop: Stack) -> None:
    service = third.service(shop, scale=1, config={"labels": GLOBAL}, lost_host=("reschedule", 30))
    with pytest.raises(Invalid) as caught:
        what_if_scaled(service, 7)
    assert (caught.value.field, caught.value.code) == ("scale", "InvalidOption")
    assert what_if_scaled(service, service.scale) == WhatIf("scale")
    lost = what_if_host_lost(third.host(2))
    assert lost.placed == ()
    reasons = {move.container: move.reasons for move in lost.stays}
    assert reasons["shop_web_2"] == ("the service web runs one container on each host, and waits for this one",)
