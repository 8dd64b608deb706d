"""The one door to ask: all of it happens, or nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction

from apps.accounts.models import ApiKey
from apps.control.cancel import operation_retry
from apps.control.models import AuditEntry, Operation, OperationLine
from apps.control.reconcile import look
from apps.control.services import ask, create, create_all
from apps.core.errors import ActionNotAvailable, Conflict, Forbidden
from apps.environments.access import SYSTEM, Actor
from apps.environments.models import Environment
from apps.hosts.models import Host

Actors = Callable[..., Actor]


def fresh(row: Any) -> Any:
    return type(row).all_objects.get(pk=row.pk)


@pytest.fixture
def host(lab: Environment) -> Host:
    """An active host of the lab."""
    made: Host = Host.all_objects.create(
        environment=lab, name="h", url="sim://h", desired="active", state="active", observed_generation=1
    )
    return made


def test_a_wish_is_recorded_and_nothing_is_done_yet(host: Host, actor_of: Actors):
    operation = ask(host, "deactivate", actor=actor_of("bob"), request={"why": "rest"})
    host = fresh(host)
    assert (host.desired, host.generation, host.state, host.observed_generation) == ("inactive", 2, "active", 1)
    assert (host.shown, host.transitioning) == ("deactivating", "yes")
    assert (operation.state, operation.name, operation.generation) == ("pending", "host.deactivate", 2)
    assert (operation.environment_id, operation.target, operation.target_name) == (host.environment_id, host.pk, "h")
    assert (operation.account_id, operation.via, operation.input) == (actor_of("bob").user.pk, "api", {"why": "rest"})  # type: ignore[union-attr]
    assert operation.is_open


def test_the_askers_own_row_is_refreshed(host: Host, actor_of: Actors):
    ask(host, "deactivate", actor=actor_of("bob"))
    assert (host.generation, host.shown) == (2, "deactivating")


def test_further_wish_columns_are_written_with_it(host: Host, actor_of: Actors):
    ask(host, "update", actor=actor_of("bob"), changes={"labels": {"disk": "ssd"}, "name": "n"})
    assert (fresh(host).labels, fresh(host).name, fresh(host).desired) == ({"disk": "ssd"}, "n", "active")


def test_the_second_of_two_askers_is_told(host: Host, actor_of: Actors):
    mine, theirs = fresh(host), fresh(host)
    ask(mine, "deactivate", actor=actor_of("bob"))
    with pytest.raises(Conflict, match="somebody else"):
        ask(theirs, "update", actor=actor_of("alice"), changes={"name": "lost"})
    assert (fresh(host).name, fresh(host).generation) == ("h", 2)
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
        ask(host, "deactivate", actor=actor_of(who))
    assert (fresh(host).generation, fresh(host).desired, fresh(host).doing) == (1, "active", "")
    assert not Operation.all_objects.filter(kind="host").exists()
    assert AuditEntry.all_objects.count() == lines


@pytest.mark.parametrize(("action", "reason"), [("activate", "while it is active"), ("explode", "no such action")])
def test_what_the_state_does_not_allow_is_refused(host: Host, actor_of: Actors, action: str, reason: str):
    with pytest.raises(ActionNotAvailable, match=reason) as refusal:
        ask(host, action, actor=actor_of("alice"))
    assert refusal.value.field == "action"
    assert fresh(host).generation == 1
    assert not Operation.all_objects.filter(kind="host").exists()


def test_nobody_asks_for_a_birth(host: Host, actor_of: Actors):
    with pytest.raises(ActionNotAvailable):
        ask(host, "create", actor=actor_of("alice"))


def test_a_newer_wish_supersedes_the_open_operation(host: Host, actor_of: Actors):
    first = ask(host, "deactivate", actor=actor_of("bob"))
    host = fresh(host)
    host.shown = "inactive"
    second = ask(host, "update", actor=actor_of("bob"))
    first.refresh_from_db()
    assert (first.state, first.is_open) == ("superseded", False)
    assert first.ended is not None
    assert fresh(second).state == "pending"


def test_a_finished_operation_is_not_superseded(host: Host, actor_of: Actors):
    first = ask(host, "deactivate", actor=actor_of("bob"))
    Operation.all_objects.filter(pk=first.pk).update(state="succeeded")
    host = fresh(host)
    host.shown = "inactive"
    ask(host, "activate", actor=actor_of("bob"))
    assert fresh(first).state == "succeeded"


def test_secrets_of_the_request_are_blanked(host: Host, actor_of: Actors):
    request = {"environment": {"DB": "hush"}, "password": "hush", "x": 1}
    operation = ask(host, "update", actor=actor_of("bob"), request=request)
    assert "hush" not in str(fresh(operation).input)
    assert "hush" not in str(AuditEntry.all_objects.filter(event="host.update").values())
    assert fresh(operation).input["x"] == 1


def test_a_fault_is_forgotten_when_something_new_is_asked(host: Host, actor_of: Actors):
    Host.all_objects.filter(pk=host.pk).update(fault=True, message="broke", looks=9)
    ask(fresh(host), "update", actor=actor_of("bob"))
    assert (fresh(host).fault, fresh(host).message, fresh(host).looks) == (False, "", 0)


def test_the_wake_up_is_sent_after_commit_only(
    host: Host, actor_of: Actors, wakes: list[Any], django_capture_on_commit_callbacks: Any
):
    with django_capture_on_commit_callbacks(execute=True):
        ask(host, "deactivate", actor=actor_of("bob"))
        assert wakes == []
    assert wakes == [("host", host.pk)]


def test_a_refused_wish_wakes_nobody(
    host: Host, actor_of: Actors, wakes: list[Any], django_capture_on_commit_callbacks: Any
):
    with django_capture_on_commit_callbacks(execute=True), pytest.raises(Forbidden):
        ask(host, "deactivate", actor=actor_of("rita"))
    assert wakes == []


def test_a_transaction_that_ends_badly_takes_the_wish_with_it(
    host: Host, actor_of: Actors, wakes: list[Any], django_capture_on_commit_callbacks: Any
):
    def asks_and_breaks() -> None:
        with transaction.atomic():
            ask(host, "deactivate", actor=actor_of("bob"))
            raise ZeroDivisionError

    with django_capture_on_commit_callbacks(execute=True), pytest.raises(ZeroDivisionError):
        asks_and_breaks()
    assert (fresh(host).generation, wakes) == (1, [])
    assert not Operation.all_objects.filter(kind="host").exists()


def test_what_the_loop_asks_has_an_operation_but_no_audit_line(host: Host):
    lines = AuditEntry.all_objects.count()
    operation = ask(host, "deactivate", actor=None)
    assert (operation.via, operation.account_id) == ("system", None)
    assert AuditEntry.all_objects.count() == lines


def test_an_operation_knows_the_one_it_is_part_of(host: Host, actor_of: Actors):
    parent = ask(host, "update", actor=actor_of("bob"))
    child = ask(host, "update", actor=SYSTEM, parent=parent)
    assert list(parent.children.all()) == [child]
    OperationLine.objects.create(operation=parent, text="first step")
    assert [str(line) for line in parent.lines.all()] == ["first step"]
    assert str(parent) == "host.update h"


def test_a_birth_is_recorded_like_any_wish(lab: Environment, actor_of: Actors):
    row = Host(environment=lab, name="new", url="sim://n", desired="active")
    operation = create(row, actor=actor_of("bob"), request={"url": "sim://n"})
    row = fresh(row)
    assert (row.shown, row.generation, row.observed_generation) == ("registering", 1, 0)
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
    assert Host.all_objects.filter(shown="registering").count() == count


def test_one_refusal_among_many_refuses_all(people: Any, lab: Environment, actor_of: Actors):
    foreign = Environment(name="Other", desired="active")
    foreign.save()
    rows = [Host(environment=place, name="h", url="sim://x", desired="active") for place in (lab, foreign)]
    with pytest.raises(Forbidden):
        create_all(rows, actor=actor_of("bob"))
    assert not Host.all_objects.exists()


def test_a_retry_wakes_the_target(
    host: Host, actor_of: Actors, wakes: list[Any], django_capture_on_commit_callbacks: Any
):
    operation = ask(host, "deactivate", actor=actor_of("bob"))
    with django_capture_on_commit_callbacks(execute=True):
        operation_retry(operation, actor=actor_of("bob"))
    assert wakes == [("host", host.pk)]
    with pytest.raises(Forbidden):
        operation_retry(operation, actor=actor_of("rita"))


def test_after_a_look_the_next_wish_can_be_asked(key: ApiKey, actor_of: Actors):
    look("apiKey", key.pk)
    key = fresh(key)
    ask(key, "deactivate", actor=actor_of("bob"))
    look("apiKey", key.pk)
    assert fresh(key).shown == "inactive"
