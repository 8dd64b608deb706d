"""Health checks of external services: handed to hosts, joined, and heard of by the service and by names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from apps.environments.actor import Actor, actor_of_user
from apps.environments.models import Environment
from apps.environments.services import environment_create
from apps.hosts.models import Host
from apps.hosts.workloads import workloads
from apps.stacks.external_checks import NAME_ONLY, NOBODY, OF_THE_HOST, ExternalCheck, is_checkable, join_states
from apps.stacks.models import Service, Stack
from apps.stacks.names.reading import fingerprints, read_names
from apps.stacks.selectors import health_of
from apps.stacks.service_options import EXTERNAL, ServiceOptions, config_of_kind, parse_target
from apps.stacks.services import service_act, service_create, service_update
from health_checks.check import Check
from health_checks.probe import reachable
from tests.network.joined_hosts import join

CHECK = {"port": 5432, "interval": 2000, "unhealthyThreshold": 3}
pytestmark = pytest.mark.django_db


@pytest.fixture
def hosts(lab: Environment) -> list[Host]:
    """Four hosts with agents, beside one that is lost."""
    found = [join(lab, number) for number in range(1, 6)]
    Host.all_objects.filter(environment=lab).update(next_attempt_at=None)  # nobody answers there: not to be looked at
    Host.all_objects.filter(pk=found[4].pk).update(lost_at=timezone.now())
    return found[:4]


@pytest.fixture
def actor(people: Any) -> Actor:
    """The owner of the lab."""
    return actor_of_user(people.alice, "api")


@pytest.fixture
def external(lab: Environment, actor: Actor, run_loop: Callable[[], None]) -> Callable[..., Service]:
    """Makes an external service."""

    def make(addresses: list[str], hostname: str = "", check: Any = CHECK) -> Service:
        stack, _ = Stack.all_objects.get_or_create(environment=lab, name="data", defaults={"desired": "active"})
        row = service_create(
            actor=actor,
            stack=stack,
            name="db",
            config=config_of_kind(EXTERNAL, {}),
            start_on_create=True,
            options=ServiceOptions(kind=EXTERNAL, external=parse_target(addresses, hostname, check)),
        )
        run_loop()
        row.refresh_from_db()
        return row

    return make


def report(hosts: list[Host], states: dict[str, str], run_loop: Callable[[], None], reason: str = "refused") -> None:
    """Every host that checks an address says this of it."""
    for host in hosts:
        found = {
            each["id"]: {"state": states[each["address"]], "run": each["run"], "reason": reason}
            for each in workloads.health_checks(host.pk)
            if each["address"] in states
        }
        workloads.on_health_reports(host.pk, found)
    run_loop()


def named(row: Service) -> tuple[str, ...]:
    (found,) = [each for each in read_names([row.environment_id])[row.environment_id].services if each.key == row.pk]
    return tuple(found.addresses)


def test_three_hosts_check_each_address_and_names_lead_to_the_healthy_ones(
    hosts: list[Host], external: Callable[..., Service], run_loop: Callable[[], None]
):
    row = external(["192.0.2.7", "192.0.2.8"])
    assert health_of(row) == "initializing"
    made = [each for host in hosts for each in workloads.health_checks(host.pk)]
    assert sorted(each["address"] for each in made) == ["192.0.2.7"] * 3 + ["192.0.2.8"] * 3
    assert all(Check.parse(each).port == 5432 for each in made)
    before = fingerprints([row.environment_id])
    report(hosts, {"192.0.2.7": "healthy", "192.0.2.8": "unhealthy"}, run_loop)
    row.refresh_from_db()
    assert (health_of(row), row.message) == ("degraded", "192.0.2.8: refused")
    assert named(row) == ("192.0.2.7",)
    assert fingerprints([row.environment_id]) != before
    report(hosts, {"192.0.2.7": "unhealthy"}, run_loop)
    row.refresh_from_db()
    assert health_of(row) == "unhealthy"
    assert named(row) == ("192.0.2.7", "192.0.2.8")
    report(hosts, {"192.0.2.7": "healthy", "192.0.2.8": "healthy"}, run_loop, "")
    row.refresh_from_db()
    assert (health_of(row), row.message) == ("healthy", "")
    assert {each["last"] for host in hosts for each in workloads.health_checks(host.pk)} == {"healthy"}


def test_one_host_that_lost_sight_of_it_decides_nothing(
    hosts: list[Host], external: Callable[..., Service], run_loop: Callable[[], None]
):
    row = external(["192.0.2.7"])
    report(hosts, {"192.0.2.7": "healthy"}, run_loop)
    (one, *_others) = [host for host in hosts if workloads.health_checks(host.pk)]
    report([one], {"192.0.2.7": "unhealthy"}, run_loop)
    row.refresh_from_db()
    assert health_of(row) == "healthy"


def test_what_is_reported_of_another_check_or_by_others_does_not_count(
    hosts: list[Host], external: Callable[..., Service], run_loop: Callable[[], None], actor: Actor, people: Any
):
    row = external(["192.0.2.7"])
    (check,) = [each for host in hosts for each in workloads.health_checks(host.pk)][:1]
    old = {check["id"]: {"state": "unhealthy", "run": "old", "reason": ""}}
    said = {check["id"]: {"state": "unhealthy", "run": check["run"], "reason": ""}}
    odd = {"external-x": {"state": "healthy"}, "external-": 5, "external-9" * 9: {}, check["id"]: "healthy"}
    for host in hosts:
        workloads.on_health_reports(host.pk, old)
        workloads.on_health_reports(host.pk, odd)
    elsewhere = join(environment_create(actor=actor_of_user(people.root, "api"), name="Elsewhere"), 9)
    for each in (elsewhere, *(host for host in hosts if not workloads.health_checks(host.pk))):
        workloads.on_health_reports(each.pk, said)
    assert row.members.get().check_report == {}
    report(hosts, {"192.0.2.7": "healthy"}, run_loop)
    options = ServiceOptions(kind=EXTERNAL, external=parse_target(["192.0.2.7"], "", {**CHECK, "port": 80}))
    service_update(row, actor=actor, options=options)
    run_loop()
    row.refresh_from_db()
    assert health_of(row) == "initializing"


def test_what_cannot_be_checked_counts_as_without_a_check_and_says_why(host: Host, external: Callable[..., Service]):
    row = external(["192.0.2.7"])
    assert (host.url, health_of(row), row.message) == ("sim://lab", "healthy", NOBODY)
    Service.all_objects.filter(pk=row.pk).update(name="other")
    named_only = external([], "db.example.com")
    assert (health_of(named_only), named_only.message) == ("healthy", NAME_ONLY)


def test_addresses_of_the_host_itself_are_not_checked(hosts: list[Host], external: Callable[..., Service]):
    row = external(["127.0.0.1", "169.254.169.254"])
    assert [each for host in hosts for each in workloads.health_checks(host.pk)] == []
    assert (health_of(row), row.message) == ("healthy", f"127.0.0.1: {OF_THE_HOST}")
    assert not any(map(is_checkable, ("::1", "::ffff:127.0.0.1", "fe80::1", "224.0.0.1", "0.0.0.0")))  # noqa: S104
    assert all(map(is_checkable, ("10.0.0.9", "2001:db8::1")))


def test_versions_of_all_workloads_count_and_stopped_services_are_not_checked(
    hosts: list[Host], external: Callable[..., Service], run_loop: Callable[[], None], actor: Actor
):
    assert workloads.health_check_versions() == {}
    row = external(["192.0.2.7"])
    first = workloads.health_check_versions()
    assert len(first) == 3
    service_act(row, "deactivate", actor=actor)
    run_loop()
    assert workloads.health_check_versions() == {}
    assert all(workloads.health_checks(host.pk) == [] for host in hosts)


def test_whoever_has_a_route_to_the_address_makes_the_check():
    settings = {
        "port": 80, "interval": 2000, "responseTimeout": 2000, "healthyThreshold": 2, "unhealthyThreshold": 3,
        "initializingTimeout": 60000,
    }  # fmt: skip
    made = ExternalCheck(7, 1, "127.0.0.1", settings).document("")  # a machine always has a route to itself
    assert reachable(Check.parse(made))
    assert Check.parse(ExternalCheck(7, 1, "2001:db8::7", settings).document("")).subnet == "::/0"


@pytest.mark.parametrize(
    ("states", "hosts", "before", "expected"),
    [
        ([], 3, "", "initializing"),
        (["healthy"], 3, "", "initializing"),
        (["healthy", "healthy"], 3, "", "healthy"),
        (["healthy", "unhealthy"], 3, "unhealthy", "unhealthy"),
        (["unhealthy", "healthy", "unhealthy"], 3, "healthy", "unhealthy"),
        (["healthy", "unchecked", "unchecked"], 3, "", "healthy"),
        (["unchecked", "unchecked", "unchecked"], 3, "healthy", "unchecked"),
        (["initializing", "healthy"], 2, "", "initializing"),
        (["unhealthy"], 1, "healthy", "unhealthy"),
    ],
)
def test_most_of_the_hosts_decide(states: list[str], hosts: int, before: str, expected: str):
    assert join_states(states, hosts, before) == expected
