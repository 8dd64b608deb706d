"""The audit log: one chain per environment, in which any later change of an entry is found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import call_command
from django.db import transaction

from apps.accounts.models import User
from apps.accounts.services import record_failed_login, record_login
from apps.control.audit import chain
from apps.control.audit.verify import chain_numbers, verify
from apps.control.models import AuditEntry, AuditHead
from apps.control.services import record
from apps.environments.actor import Actor
from apps.environments.models import Environment
from apps.environments.services import environment_create

Actors = Callable[..., Actor]

CHANGES: dict[str, Any] = {
    "event": "host.removed",
    "account_number": None,
    "key_number": 7,
    "via": "console",
    "auth_type": "TokenAuth ",
    "kind": "stack",
    "format": 1,
    "target": 8,
    "target_name": "x",
    "address": "10.0.0.2",
    "request": {"a": 2},
    "response": {"a": 1},
    "code": "200",
    "previous_digest": "0" * 64,
    "digest": "0" * 64,
    "answer_number": 99,
    "answer_digest": "0" * 64,
    "number": 99,
}


def broken(environment: int | None) -> list[int]:
    """The entries of a chain that were changed, or do not follow on the one before (0: the end of the chain)."""
    return sorted({fault.line for fault in verify(environment or 0).faults})


@pytest.fixture
def entries(lab: Environment, actor_of: Actors) -> list[AuditEntry]:
    """Three lines more in the lab's chain."""
    return [
        record("host.create", actor=actor_of("bob"), environment_id=lab.pk, request={"n": n}, address="10.0.0.1")
        for n in range(3)
    ]


def test_an_untouched_chain_is_whole(lab: Environment, entries: list[AuditEntry]):
    assert broken(lab.pk) == []
    assert broken(None) == []
    assert entries[1].previous_digest == entries[0].digest


@pytest.mark.parametrize("column", CHANGES)
def test_a_changed_line_shows(lab: Environment, entries: list[AuditEntry], column: str):
    AuditEntry.all_objects.filter(pk=entries[1].pk).update(**{column: CHANGES[column]})
    assert entries[1].pk in broken(lab.pk)


def test_a_changed_time_shows(lab: Environment, entries: list[AuditEntry]):
    AuditEntry.all_objects.filter(pk=entries[1].pk).update(at=entries[0].at)
    assert broken(lab.pk) == [entries[1].pk]


def test_a_line_taken_out_shows(lab: Environment, entries: list[AuditEntry]):
    AuditEntry.all_objects.filter(pk=entries[1].pk).delete()
    assert broken(lab.pk) == [entries[2].pk]


def test_a_last_line_taken_off_shows(lab: Environment, entries: list[AuditEntry]):
    AuditEntry.all_objects.filter(pk=entries[2].pk).delete()
    assert broken(lab.pk) == [0]
    assert "taken out at its end" in verify(lab.pk).faults[0].what


def test_a_line_moved_to_another_environment_shows(lab: Environment, entries: list[AuditEntry], actor_of: Actors):
    other = environment_create(actor=actor_of("mallory"), name="Other")
    AuditEntry.all_objects.filter(pk=entries[1].pk).update(environment=other)
    assert broken(lab.pk) == [entries[2].pk]
    assert entries[1].pk in broken(other.pk)


def test_each_environment_has_its_own_chain(lab: Environment, entries: list[AuditEntry], actor_of: Actors):
    other = environment_create(actor=actor_of("mallory"), name="Other")
    record("host.create", actor=actor_of("mallory"), environment_id=other.pk)
    first = AuditEntry.objects.within([other.pk]).order_by("pk")[0]
    assert first.previous_digest == ""
    assert broken(lab.pk) == broken(other.pk) == []


def test_an_entry_says_who_from_where_and_by_which_interface(people: Any, lab: Environment):
    actor = Actor(people.bob, "console", address="10.0.0.3", auth_type="TokenAuth")
    entry = record("container.exec", actor=actor, row=lab, environment_id=lab.pk, request={"token": "hush"})
    entry.refresh_from_db()
    assert (entry.account, entry.via, entry.address, entry.auth_type) == (
        people.bob,
        "console",
        "10.0.0.3",
        "TokenAuth",
    )
    assert (entry.kind, entry.target, entry.target_name) == ("environment", lab.pk, "Lab")
    assert "hush" not in str(entry.request)
    assert str(entry) == "container.exec Lab"


def test_a_known_secret_is_blanked_by_its_value(lab: Environment):
    entry = record("x", actor=None, request={"command": "login hush9"}, secrets=["hush9"])
    assert "hush9" not in str(entry.request)


def test_an_account_that_is_deleted_for_good_breaks_no_chain(people: Any, lab: Environment, entries: list[AuditEntry]):
    User.all_objects.filter(pk=people.bob.pk).delete()
    assert broken(lab.pk) == []


@pytest.fixture
def answered_entries(lab: Environment, entries: list[AuditEntry]) -> list[AuditEntry]:
    """The same, the first two answered in the order in which a busy portal would: the second line's first."""
    chain.record_answers([entries[1]], "201", {"id": "1h1"})
    chain.record_answers([entries[0]], "422", {"message": "no"})
    for line in entries:
        line.refresh_from_db()
    return entries


def test_answers_are_links_of_the_chain_too(lab: Environment, answered_entries: list[AuditEntry]):
    first, second, third = answered_entries
    assert (first.number, second.number, third.number) == (2, 3, 4)  # the environment's birth is the first
    assert (second.answer_number, first.answer_number, third.answer_number) == (5, 6, None)
    assert (second.code, second.response) == ("201", {"id": "1h1"})
    assert broken(lab.pk) == []
    report = verify(lab.pk)
    assert (report.lines, report.links, report.name) == (4, 6, "Lab")
    assert report.digest == AuditHead.objects.get(environment_number=lab.pk).digest == first.answer_digest


@pytest.mark.parametrize("column", CHANGES)
@pytest.mark.parametrize("which", [0, 1, 2])
def test_one_changed_column_of_any_line_or_answer_shows(
    lab: Environment, answered_entries: list[AuditEntry], column: str, which: int
):
    AuditEntry.all_objects.filter(pk=answered_entries[which].pk).update(**{column: CHANGES[column]})
    assert broken(lab.pk)


@pytest.mark.parametrize(
    "column", ["request", "event", "address", "code", "response", "target_name", "digest", "answer_digest"]
)
def test_a_changed_entry_is_reported_by_its_number(lab: Environment, answered_entries: list[AuditEntry], column: str):
    victim = answered_entries[1]
    AuditEntry.all_objects.filter(pk=victim.pk).update(**{column: CHANGES[column]})
    assert victim.pk in broken(lab.pk)


def test_every_single_byte_of_a_request_counts(lab: Environment, actor_of: Actors):
    text = "abcdefgh"
    line = record("x", actor=actor_of("bob"), environment_id=lab.pk, request={"text": text})
    for place in range(len(text)):
        changed = text[:place] + "X" + text[place + 1 :]
        AuditEntry.all_objects.filter(pk=line.pk).update(request={"text": changed})
        assert broken(lab.pk) == [line.pk]
    AuditEntry.all_objects.filter(pk=line.pk).update(request={"text": text})
    assert broken(lab.pk) == []


@pytest.mark.parametrize("number", [None, 3, 4, 99])
def test_a_line_put_in_shows(lab: Environment, answered_entries: list[AuditEntry], number: int | None):
    forged = AuditEntry.all_objects.create(
        environment=lab,
        via="api",
        event="host.create",
        number=number,
        previous_digest=answered_entries[0].digest,
        digest="0" * 64,
    )
    assert forged.pk in broken(lab.pk)


def test_a_line_put_in_with_a_right_digest_shows_all_the_same(lab: Environment, answered_entries: list[AuditEntry]):
    forged = AuditEntry(
        environment=lab, via="api", event="forged", number=3, previous_digest=answered_entries[0].digest
    )
    forged.digest = forged.fingerprint()
    forged.save(force_insert=True)
    assert forged.pk in broken(lab.pk)


def test_whoever_computes_the_whole_chain_anew_lacks_the_installations_key(
    lab: Environment, answered_entries: list[AuditEntry]
):
    """A forger with the database and the source, but without the keys."""
    last = answered_entries[2]
    AuditEntry.all_objects.filter(pk=last.pk).delete()
    head = AuditHead.objects.get(environment_number=lab.pk)
    assert verify(lab.pk).faults
    AuditHead.objects.filter(pk=head.pk).update(length=head.length - 1)
    assert verify(lab.pk).faults
    AuditHead.objects.filter(pk=head.pk).update(length=head.length, digest="0" * 64, seal="")
    assert [fault.what for fault in verify(lab.pk).faults if fault.line == 0]


def test_a_broken_end_is_not_mended_by_the_next_line(lab: Environment, entries: list[AuditEntry], actor_of: Actors):
    head = AuditHead.objects.get(environment_number=lab.pk)
    AuditEntry.all_objects.filter(pk=entries[2].pk).delete()
    AuditHead.objects.filter(pk=head.pk).update(length=head.length - 1, digest=entries[1].digest)
    record("host.create", actor=actor_of("bob"), environment_id=lab.pk)
    assert [(fault.line, fault.what) for fault in verify(lab.pk).faults] == [(0, "its end was changed")]


def test_an_older_key_of_the_installation_still_opens_the_seal(
    lab: Environment, entries: list[AuditEntry], settings: Any
):
    settings.FIELD_KEYS = ["a newer one", *settings.FIELD_KEYS]
    assert broken(lab.pk) == []
    record("host.create", actor=None, environment_id=lab.pk)
    assert broken(lab.pk) == []
    settings.FIELD_KEYS = ["another installation's"]
    assert broken(lab.pk) == [0]


def test_an_answer_is_given_once(lab: Environment, answered_entries: list[AuditEntry]):
    assert chain.record_answers([answered_entries[0]], "200", {"better": True}) == 0
    answered_entries[0].refresh_from_db()
    assert (answered_entries[0].code, answered_entries[0].response) == ("422", {"message": "no"})
    assert broken(lab.pk) == []


def test_a_line_taken_back_with_its_transaction_gets_no_answer(lab: Environment, actor_of: Actors):
    saved_entries: list[AuditEntry] = []

    def breaks() -> None:
        with transaction.atomic():
            saved_entries.append(record("host.create", actor=actor_of("bob"), environment_id=lab.pk))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        breaks()
    other = record("host.other", actor=actor_of("bob"), environment_id=lab.pk)  # takes the number and the key
    assert chain.record_answers(saved_entries, "500", {}) == 0
    other.refresh_from_db()
    assert (other.code, broken(lab.pk)) == ("", [])


def test_an_entry_that_shows_another_account_than_it_was_written_with_is_reported(
    people: Any, lab: Environment, entries: list[AuditEntry]
):
    AuditEntry.all_objects.filter(pk=entries[1].pk).update(account=people.mallory)
    assert broken(lab.pk) == [entries[1].pk]


def test_every_chain_is_known_even_without_an_end(lab: Environment, entries: list[AuditEntry]):
    record("login", actor=None)
    assert chain_numbers() == [0, lab.pk]
    assert chain_numbers([lab.pk, 5000]) == [lab.pk]
    AuditHead.objects.filter(environment_number=lab.pk).delete()
    assert chain_numbers() == [0, lab.pk]
    assert broken(lab.pk) == [0]


def test_what_is_too_long_is_not_kept_but_its_length_is(lab: Environment):
    entry = record(
        "x", actor=None, environment_id=lab.pk, request={"description": "x" * 100_000, "more": ["y" * 9_000] * 5}
    )
    assert entry.request == {"omitted": "45068 characters"}
    assert broken(lab.pk) == []


def test_the_command_tells_which_line_and_ends_with_one(
    lab: Environment, answered_entries: list[AuditEntry], capsys: Any
):
    record("login", actor=None)
    call_command("audit_verify")
    output = capsys.readouterr().out
    assert "Lab: 4 lines, whole, end " in output
    assert "installation: " in output
    AuditEntry.all_objects.filter(pk=answered_entries[1].pk).update(address="6.6.6.6")
    with pytest.raises(SystemExit) as ended:
        call_command("audit_verify", lab.pk)
    output = capsys.readouterr().out
    assert ended.value.code == 1
    assert f"line {answered_entries[1].pk} was changed" in output
    assert "installation: " not in output


@pytest.mark.parametrize(("via", "login"), [("console", "bob"), ("api", "bob"), ("console", "nobody")])
def test_a_log_in_records_its_interface_its_backend_and_its_outcome(people: Any, via: str, login: str):
    if login == "bob":
        people.bob.backend = "apps.accounts.providers.LocalBackend"
        record_login(people.bob, "10.0.0.9", via=via)
    else:
        record_failed_login(login, "10.0.0.9", via=via)
    entry = AuditEntry.all_objects.filter(environment=None).order_by("-pk")[0]
    assert (entry.via, entry.address) == (via, "10.0.0.9")
    if login == "bob":
        assert (entry.event, entry.code, entry.account) == ("login", "200", people.bob)
        assert entry.request == {"backend": "LocalBackend"}
    else:
        assert (entry.event, entry.code, entry.account) == ("login.refused", "401", None)
    assert broken(None) == []
