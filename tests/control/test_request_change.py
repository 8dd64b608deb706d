"""Requesting a change: all of it happens, or nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction

from apps.accounts.models import ApiKey
from apps.control.cancel import operation_retry
from apps.control.models import AuditEntry, Operation, OperationLine
from apps.control.reconcile import reconcile_one
from apps.control.services import create, create_all, request_change
from apps.core.errors import ActionNotAvailable, Conflict, Forbidden
from apps.environments.actor import SYSTEM, Actor
from apps.environments.models import Environment
from apps.hosts.models import Host

Actors = Callable[..., Actor]


def reload(row: Any) -> Any:
    return type(row).all_objects.get(pk=row.pk)


@pytest.fixture
def host(lab: Environment) -> Host:
    """An active host of the lab."""
    made: Host = Host.all_objects.create(
        environment=lab, name="h", url="sim://h", desired="active", state="active", observed_generation=1
    )
    return made


def test_a_desired_state_is_recorded_and_nothing_is_done_yet(host: Host, actor_of: Actors):
    operation = request_change(host, "deactivate", actor=actor_of("bob"), request={"why": "rest"})
    host = reload(host)
    assert (host.desired, host.generation, host.state, host.observed_generation) == ("inactive", 2, "active", 1)
    assert (host.display_state, host.transitioning) == ("deactivating", "yes")
    assert (operation.state, operation.name, operation.generation) == ("pending", "host.deactivate", 2)
    assert (operation.environment_id, operation.target, operation.target_name) == (host.environment_id, host.pk, "h")
    assert (operation.account_id, operation.via, operation.input) == (actor_of("bob").user.pk, "api", {"why": "rest"})  # type: ignore[union-attr]
    assert operation.is_pending


def test_the_callers_own_row_is_refreshed(host: Host, actor_of: Actors):
    request_change(host, "deactivate", actor=actor_of("bob"))
    assert (host.generation, host.display_state) == (2, "deactivating")


def test_further_spec_columns_are_written_with_it(host: Host, actor_of: Actors):
    request_change(host, "update", actor=actor_of("bob"), changes={"labels": {"disk": "ssd"}, "name": "n"})
    assert (reload(host).labels, reload(host).name, reload(host).desired) == ({"disk": "ssd"}, "n", "active")


def test_the_second_of_two_concurrent_requests_is_refused(host: Host, actor_of: Actors):
    mine, theirs = reload(host), reload(host)
    request_change(mine, "deactivate", actor=actor_of("bob"))
    with pytest.raises(Conflict, match="somebody else"):
        request_change(theirs, "update", actor=actor_of("alice"), changes={"name": "lost"})
    assert (reload(host).name, reload(host).generation) == ("h", 2)
    assert Operation.all_objects.filter(kind="host").count() == 1
    assert not AuditEntry.all_objects.filter(event="host.update").exists()


@pytest.mark.parametrize(
    ("who", "reason"), [("rita", r"role here \(readonly\)"), ("rex", r"\(restricted\)"), ("mallory", "not a member")]
)
def test_who_may_not_is_refused_with_the_reason_and_nothing_is_written(
    host: Host, actor_of: Actors, who: str, reason: str
):
    lines = AuditEntry.all_objects.count()
    with pytest.raises(Forbidden, match=reason):
        request_change(host, "deactivate", actor=actor_of(who))
    assert (reload(host).generation, reload(host).desired, reload(host).transition_state) == (1, "active", "")
    assert not Operation.all_objects.filter(kind="host").exists()
    assert AuditEntry.all_objects.count() == lines


@pytest.mark.parametrize(("action", "reason"), [("activate", "while it is active"), ("explode", "no such action")])
def test_what_the_state_does_not_allow_is_refused(host: Host, actor_of: Actors, action: str, reason: str):
    with pytest.raises(ActionNotAvailable, match=reason) as refusal:
        request_change(host, action, actor=actor_of("alice"))
    assert refusal.value.field == "action"
    assert reload(host).generation == 1
    assert not Operation.all_objects.filter(kind="host").exists()


def test_nobody_asks_for_a_birth(host: Host, actor_of: Actors):
    with pytest.raises(ActionNotAvailable):
        request_change(host, "create", actor=actor_of("alice"))


def test_a_newer_desired_state_supersedes_the_open_operation(host: Host, actor_of: Actors):
    first = request_change(host, "deactivate", actor=actor_of("bob"))
    host = reload(host)
    host.display_state = "inactive"
    second = request_change(host, "update", actor=actor_of("bob"))
    first.refresh_from_db()
    assert (first.state, first.is_pending) == ("superseded", False)
    assert first.ended is not None
    assert reload(second).state == "pending"


def test_a_finished_operation_is_not_superseded(host: Host, actor_of: Actors):
    first = request_change(host, "deactivate", actor=actor_of("bob"))
    Operation.all_objects.filter(pk=first.pk).update(state="succeeded")
    host = reload(host)
    host.display_state = "inactive"
    request_change(host, "activate", actor=actor_of("bob"))
    assert reload(first).state == "succeeded"


def test_secrets_of_the_request_are_blanked(host: Host, actor_of: Actors):
    request = {"environment": {"DB": "hush"}, "password": "hush", "x": 1}
    operation = request_change(host, "update", actor=actor_of("bob"), request=request)
    assert "hush" not in str(reload(operation).input)
    assert "hush" not in str(AuditEntry.all_objects.filter(event="host.update").values())
    assert reload(operation).input["x"] == 1


def test_a_fault_is_forgotten_when_something_new_is_asked(host: Host, actor_of: Actors):
    Host.all_objects.filter(pk=host.pk).update(fault=True, message="broke", attempts=9)
    request_change(reload(host), "update", actor=actor_of("bob"))
    assert (reload(host).fault, reload(host).message, reload(host).attempts) == (False, "", 0)


def test_the_row_is_enqueued_after_commit_only(
    host: Host, actor_of: Actors, enqueued: list[Any], django_capture_on_commit_callbacks: Any
):
    with django_capture_on_commit_callbacks(execute=True):
        request_change(host, "deactivate", actor=actor_of("bob"))
        assert enqueued == []
    assert enqueued == [("host", host.pk)]


def test_a_refused_change_enqueues_nothing(
    host: Host, actor_of: Actors, enqueued: list[Any], django_capture_on_commit_callbacks: Any
):
    with django_capture_on_commit_callbacks(execute=True), pytest.raises(Forbidden):
        request_change(host, "deactivate", actor=actor_of("rita"))
    assert enqueued == []


def test_a_rolled_back_transaction_takes_the_desired_state_with_it(
    host: Host, actor_of: Actors, enqueued: list[Any], django_capture_on_commit_callbacks: Any
):
    def request_and_fail() -> None:
        with transaction.atomic():
            request_change(host, "deactivate", actor=actor_of("bob"))
            raise ZeroDivisionError

    with django_capture_on_commit_callbacks(execute=True), pytest.raises(ZeroDivisionError):
        request_and_fail()
    assert (reload(host).generation, enqueued) == (1, [])
    assert not Operation.all_objects.filter(kind="host").exists()


def test_what_the_loop_asks_has_an_operation_but_no_audit_line(host: Host):
    lines = AuditEntry.all_objects.count()
    operation = request_change(host, "deactivate", actor=None)
    assert (operation.via, operation.account_id) == ("system", None)
    assert AuditEntry.all_objects.count() == lines


def test_an_operation_knows_the_one_it_is_part_of(host: Host, actor_of: Actors):
    parent = request_change(host, "update", actor=actor_of("bob"))
    child = request_change(host, "update", actor=SYSTEM, parent=parent)
    assert list(parent.children.all()) == [child]
    OperationLine.objects.create(operation=parent, text="first step")
    assert [str(line) for line in parent.lines.all()] == ["first step"]
    assert str(parent) == "host.update h"


def test_a_creation_is_recorded_like_any_change(lab: Environment, actor_of: Actors):
    row = Host(environment=lab, name="new", url="sim://n", desired="active")
    operation = create(row, actor=actor_of("bob"), request={"url": "sim://n"})
    row = reload(row)
    assert (row.display_state, row.generation, row.observed_generation) == ("registering", 1, 0)
    assert (operation.name, operation.target, operation.state) == ("host.create", row.pk, "pending")
    assert AuditEntry.objects.within([lab.pk]).filter(event="host.create", target=row.pk).exists()


@pytest.mark.parametrize("who", ["rex", "rita", "mallory"])
def test_who_may_not_gives_birth_to_nothing(lab: Environment, actor_of: Actors, who: str):
    with pytest.raises(Forbidden):
        create(Host(environment=lab, name="new", url="sim://n", desired="active"), actor=actor_of(who))
    assert not Host.all_objects.exists()
    assert not Operation.all_objects.filter(kind="host").exists()


def test_another_permission_may_be_asked_for_at_birth(lab: Environment, actor_of: Actors):
    row = Host(environment=lab, name="new", url="sim://n", desired="active")
    with pytest.raises(Forbidden):
        create(row, actor=actor_of("bob"), permission="own")
    create(row, actor=actor_of("alice"), permission="own")


@pytest.mark.parametrize("count", [2, 20])
def test_many_are_born_in_a_constant_number_of_queries(
    lab: Environment, django_assert_num_queries: Callable[[int], Any], count: int
):
    rows = [Host(environment=lab, name=f"h{n}", url=f"sim://{n}", desired="active") for n in range(count)]
    with django_assert_num_queries(4):  # two inserts, and a savepoint around them
        operations = create_all(rows, actor=SYSTEM)
    assert [o.target for o in operations] == [row.pk for row in rows]
    assert Host.all_objects.filter(display_state="registering").count() == count


def test_one_refusal_among_many_refuses_all(people: Any, lab: Environment, actor_of: Actors):
    foreign = Environment(name="Other", desired="active")
    foreign.save()
    rows = [Host(environment=place, name="h", url="sim://x", desired="active") for place in (lab, foreign)]
    with pytest.raises(Forbidden):
        create_all(rows, actor=actor_of("bob"))
    assert not Host.all_objects.exists()


def test_a_retry_enqueues_the_target(
    host: Host, actor_of: Actors, enqueued: list[Any], django_capture_on_commit_callbacks: Any
):
    operation = request_change(host, "deactivate", actor=actor_of("bob"))
    with django_capture_on_commit_callbacks(execute=True):
        operation_retry(operation, actor=actor_of("bob"))
    assert enqueued == [("host", host.pk)]
    with pytest.raises(Forbidden):
        operation_retry(operation, actor=actor_of("rita"))


def test_after_a_reconcile_the_next_change_can_be_requested(key: ApiKey, actor_of: Actors):
    reconcile_one("apiKey", key.pk)
    key = reload(key)
    request_change(key, "deactivate", actor=actor_of("bob"))
    reconcile_one("apiKey", key.pk)
    assert reload(key).display_state == "inactive"
