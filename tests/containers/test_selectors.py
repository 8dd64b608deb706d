"""Reads of containers: who sees which, where ports are reached, and which policy is in force."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.containers.models import Container, HostPolicy
from apps.containers.policy import PERMISSIVE, RESTRICTED, Policy
from apps.containers.policy_services import policy_reset, policy_set
from apps.containers.selectors import (
    container_ids_on,
    containers_of,
    counts_by_host,
    endpoints,
    find_container,
    policies_of,
    policy_of,
)
from apps.control.models import AuditEntry
from apps.core.errors import Forbidden, Invalid
from apps.core.models import Setting
from apps.environments.models import Environment
from apps.environments.services import environment_create
from apps.hosts.models import Host

PORT = {"private": 80, "public": 8080, "protocol": "tcp", "address": "0.0.0.0"}  # noqa: S104 - as engines say it


@pytest.fixture
def place(lab: Environment) -> Callable[..., Container]:
    """Puts a row there as the loop would have left it."""
    hosts: dict[str, Host] = {}

    def put(
        name: str = "web", on: str = "h1", ports: Any = (), environment: Environment = lab, **more: Any
    ) -> Container:
        where = hosts.setdefault(on, Host.all_objects.create(environment=environment, name=on, url=f"sim://{on}"))
        columns = {"desired": "running", "state": "running", "external_id": f"id-{name}", **more}
        status = {"ports": list(ports)}
        row: Container = Container.all_objects.create(
            environment=environment, host=where, name=name, status=status, **columns
        )
        row.refresh_from_db()
        return row

    return put


@pytest.fixture
def far(actor_of: Any) -> Environment:
    """Mallory's environment."""
    return environment_create(actor=actor_of("mallory"), name="Far")


def test_containers_are_listed_to_readers_without_removed_ones(
    place: Any, lab: Environment, far: Environment, actor_of: Any
):
    here = place("here")
    removed_row = place("gone", state="removed", desired="removed")
    Container.all_objects.filter(pk=removed_row.pk).update(removed=removed_row.created)
    there = place("there", on="h9", environment=far)
    for who in ("alice", "bob", "rex", "rita"):
        assert list(containers_of(actor_of(who), lab.pk)) == [here]
        assert list(containers_of(actor_of(who), far.pk)) == []
    assert list(containers_of(actor_of("mallory"), far.pk)) == [there]
    assert list(containers_of(actor_of("mallory"), lab.pk)) == []


def test_containers_are_counted_by_host_without_those_that_leave(place: Any, lab: Environment, far: Environment):
    for name, on, desired in (
        ("a", "h1", "running"),
        ("b", "h1", "stopped"),
        ("c", "h1", "removed"),
        ("d", "h2", "running"),
    ):
        place(name, on=on, desired=desired)
    place("e", on="h9", environment=far)
    names = dict(Host.all_objects.values_list("pk", "name"))
    assert {names[key]: use[:2] for key, use in counts_by_host(lab.pk).items()} == {"h1": (2, 0), "h2": (1, 0)}


def test_those_of_the_same_service_are_counted_beside_all(place: Any, lab: Environment):
    for name, on, key in (("a", "h1", "web"), ("b", "h1", ""), ("c", "h2", "web"), ("d", "h2", "db")):
        place(name, on=on, spread_key=key)
    names = dict(Host.all_objects.values_list("pk", "name"))
    assert {names[key]: use[:2] for key, use in counts_by_host(lab.pk, "web").items()} == {"h1": (2, 1), "h2": (2, 1)}


def test_what_runs_on_a_host_is_known_by_the_engine_s_ids(place: Any):
    row, _waiting, _other = place("a"), place("b", external_id=""), place("c", on="h2")
    assert container_ids_on(row.host) == {"id-a": row.pk}


@pytest.mark.parametrize(
    ("port", "address", "expected"),
    [
        ({}, "", "h1"),
        ({}, "198.51.100.7", "198.51.100.7"),
        ({"address": ""}, "", "h1"),
        ({"address": "127.0.0.1"}, "198.51.100.7", "127.0.0.1"),
        ({"address": "::"}, "", None),
        ({"public": None}, "", None),
        ({"public": 0}, "", None),
    ],
)
def test_where_a_port_is_reached(port: dict[str, Any], address: str, expected: str | None, place: Any):
    row = place(ports=[PORT | port])
    row.host.address = address
    assert [each["ipAddress"] for each in endpoints(row)] == ([expected] if expected else [])


def test_an_endpoint_says_everything_about_itself(place: Any):
    row = place(ports=[PORT, PORT | {"address": "::"}])
    assert endpoints(row) == [
        {
            "ipAddress": "h1",
            "port": 8080,
            "private": 80,
            "protocol": "tcp",
            "host": row.host_id,
            "container": row.pk,
            "isPortalHost": False,
        }
    ]


@pytest.mark.parametrize(("state", "count"), [("running", 1), ("stopped", 0), ("removed", 0), ("error", 0)])
def test_only_what_runs_is_reached(state: str, count: int, place: Any):
    desired_state = {"running": "running", "error": "running"}.get(state, state)
    assert len(endpoints(place(ports=[PORT], state=state, desired=desired_state))) == count


def test_without_a_host_nothing_is_reached(place: Any):
    row = place(ports=[PORT])
    row.host = None
    assert endpoints(row) == []


def test_a_reference_finds_a_container_of_its_own_environment_only(place: Any, lab: Environment, far: Environment):
    row = place()
    assert find_container(lab.pk, f"1i{row.pk}") == row
    for environment, reference in (
        (far.pk, f"1i{row.pk}"),
        (lab.pk, "1i999999"),
        (lab.pk, "web"),
        (lab.pk, ""),
        (lab.pk, "1i"),
    ):
        assert find_container(environment, reference) is None


def test_without_a_decision_the_installation_s_default_is_in_force(lab: Environment):
    assert policy_of(lab.pk) == RESTRICTED
    Setting.objects.create(name="host.policy.default", value="permissive")
    assert policy_of(lab.pk) == PERMISSIVE
    Setting.objects.filter(name="host.policy.default").update(value="whatever")
    assert policy_of(lab.pk) == RESTRICTED


def test_a_decision_goes_before_the_default_and_is_taken_back(lab: Environment, far: Environment, actor_of: Any):
    root = actor_of("root")
    Setting.objects.create(name="host.policy.default", value="permissive")
    decided = policy_set(lab, {"hostPid": True, "bindFolders": ["/srv//a/./b/"]}, actor=root)
    assert policy_of(lab.pk) == decided == Policy(host_pid=True, bind_folders=("/srv/a/b",))
    assert policy_of(far.pk) == PERMISSIVE
    policy_reset(lab, actor=root)
    assert policy_of(lab.pk) == PERMISSIVE


def test_policies_of_many_are_read_at_once(
    lab: Environment, far: Environment, actor_of: Any, django_assert_num_queries: Any
):
    policy_set(lab, {"devices": True}, actor=actor_of("root"))
    with django_assert_num_queries(2):
        found = policies_of([lab.pk, far.pk])
    assert {key: (policy.devices, row is not None) for key, (policy, row) in found.items()} == {
        lab.pk: (True, True),
        far.pk: (False, False),
    }
    with django_assert_num_queries(1):  # no default is needed where everything was decided
        policies_of([lab.pk])
    assert policies_of([]) == {}


@pytest.mark.parametrize("who", ["alice", "bob", "rex", "rita", "mallory"])
def test_nobody_but_administrators_decides(who: str, lab: Environment, actor_of: Any):
    before = AuditEntry.all_objects.count()
    with pytest.raises(Forbidden, match="Only administrators"):
        policy_set(lab, {"privileged": True}, actor=actor_of(who))
    with pytest.raises(Forbidden):
        policy_reset(lab, actor=actor_of(who))
    assert (HostPolicy.objects.count(), AuditEntry.all_objects.count()) == (0, before)


@pytest.mark.parametrize("rules", [{"privilged": True}, {"privileged": 7}, {"bindFolders": ["a"]}, [], "x", None])
def test_a_wrong_decision_changes_nothing(rules: Any, lab: Environment, actor_of: Any):
    policy_set(lab, {"devices": True}, actor=actor_of("root"))
    with pytest.raises(Invalid):
        policy_set(lab, rules, actor=actor_of("root"))
    assert policy_of(lab.pk) == Policy(devices=True)


def test_decisions_are_in_the_audit_log_of_their_environment(lab: Environment, actor_of: Any, people: Any):
    policy_set(lab, {"privileged": True}, actor=actor_of("root"))
    policy_reset(lab, actor=actor_of("root"))
    policy_reset(lab, actor=actor_of("root"))  # there was nothing to take back
    entries = AuditEntry.all_objects.filter(environment=lab, event__startswith="hostPolicy").order_by("pk")
    assert [(row.event, row.account) for row in entries] == [
        ("hostPolicy.update", people.root),
        ("hostPolicy.delete", people.root),
    ]
    assert entries[0].request["rules"]["privileged"] is True
