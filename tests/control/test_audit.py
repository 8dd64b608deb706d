"""The audit log: one chain per environment, and whoever changes a line afterwards is found out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.accounts.models import User
from apps.control.models import AuditEntry, AuditHead
from apps.control.services import record
from apps.environments.access import Actor
from apps.environments.models import Environment
from apps.environments.services import environment_create

Actors = Callable[..., Actor]

CHANGES: dict[str, Any] = {
    "event": "host.removed",
    "account_number": None,
    "via": "console",
    "auth_type": "TokenAuth ",
    "kind": "stack",
    "target": 8,
    "target_name": "x",
    "address": "10.0.0.2",
    "request": {"a": 2},
    "response": {"a": 1},
    "code": "200",
    "before": "0" * 64,
    "digest": "0" * 64,
}


def broken(environment: int | None) -> list[int]:
    """The lines of a chain that do not say what was written, or do not follow on the line before."""
    bad, before = [], ""
    for entry in AuditEntry.all_objects.filter(environment=environment).order_by("pk"):
        if entry.before != before or entry.fingerprint() != entry.digest:
            bad.append(entry.pk)
        before = entry.digest
    head = AuditHead.objects.filter(environment_number=environment or 0).first()
    return bad if before == (head.digest if head else "") else [*bad, -1]


@pytest.fixture
def lines(lab: Environment, actor_of: Actors) -> list[AuditEntry]:
    """Three lines more in the lab's chain."""
    return [
        record("host.create", actor=actor_of("bob"), environment_id=lab.pk, request={"n": n}, address="10.0.0.1")
        for n in range(3)
    ]


def test_an_untouched_chain_is_whole(lab: Environment, lines: list[AuditEntry]):
    assert broken(lab.pk) == []
    assert broken(None) == []
    assert lines[1].before == lines[0].digest


@pytest.mark.parametrize("column", CHANGES)
def test_a_changed_line_shows(lab: Environment, lines: list[AuditEntry], column: str):
    AuditEntry.all_objects.filter(pk=lines[1].pk).update(**{column: CHANGES[column]})
    assert lines[1].pk in broken(lab.pk)


def test_a_changed_time_shows(lab: Environment, lines: list[AuditEntry]):
    AuditEntry.all_objects.filter(pk=lines[1].pk).update(at=lines[0].at)
    assert broken(lab.pk) == [lines[1].pk]


def test_a_line_taken_out_shows(lab: Environment, lines: list[AuditEntry]):
    AuditEntry.all_objects.filter(pk=lines[1].pk).delete()
    assert broken(lab.pk) == [lines[2].pk]


def test_a_last_line_taken_off_shows(lab: Environment, lines: list[AuditEntry]):
    AuditEntry.all_objects.filter(pk=lines[2].pk).delete()
    assert broken(lab.pk) == [-1]


def test_a_line_moved_to_another_environment_shows(lab: Environment, lines: list[AuditEntry], actor_of: Actors):
    other = environment_create(actor=actor_of("mallory"), name="Other")
    AuditEntry.all_objects.filter(pk=lines[1].pk).update(environment=other)
    assert broken(lab.pk) == [lines[2].pk]
    assert lines[1].pk in broken(other.pk)


def test_each_environment_has_its_own_chain(lab: Environment, lines: list[AuditEntry], actor_of: Actors):
    other = environment_create(actor=actor_of("mallory"), name="Other")
    record("host.create", actor=actor_of("mallory"), environment_id=other.pk)
    first = AuditEntry.objects.within([other.pk]).order_by("pk")[0]
    assert first.before == ""
    assert broken(lab.pk) == broken(other.pk) == []


def test_a_line_says_who_from_where_and_by_which_door(people: Any, lab: Environment):
    actor = Actor(people.bob, "console", address="10.0.0.3", auth_type="TokenAuth")
    entry = record("container.exec", actor=actor, row=lab, environment_id=lab.pk, request={"token": "hush"})
    entry.refresh_from_db()
    assert (entry.account, entry.via, entry.address, entry.auth_type) == (
        people.bob,
        "console",
        "10.0.0.3",
        "TokenAuth",
    )
    assert (entry.kind, entry.target, entry.target_name) == ("project", lab.pk, "Lab")
    assert "hush" not in str(entry.request)
    assert str(entry) == "container.exec Lab"


def test_a_known_secret_is_blanked_by_its_value(lab: Environment):
    entry = record("x", actor=None, request={"command": "login hush9"}, secrets=["hush9"])
    assert "hush9" not in str(entry.request)


def test_an_account_that_is_deleted_for_good_breaks_no_chain(people: Any, lab: Environment, lines: list[AuditEntry]):
    User.all_objects.filter(pk=people.bob.pk).delete()
    assert broken(lab.pk) == []
