"""An installation whose audit log was written before its entries had places: the upgrade seals its chains anew."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.sqlite3.base import DatabaseWrapper
from django.db.migrations.executor import MigrationExecutor
from django.test import override_settings

from apps.control.audit.chain import append_entry
from apps.control.audit.verify import chain_numbers, verify
from apps.control.audit.vocabulary import V1_FORMAT
from apps.control.models import AuditEntry, AuditHead
from apps.environments.models import Environment

pytestmark = pytest.mark.servers  # every migration of a whole installation takes seconds

# What was written, and what it is called since kinds have their own names.
WORDS = {
    "project.create": "environment.create",
    "environment.update": "stack.update",
    "login": "login",
    "container.create": "container.create",
    "service.remove": "service.remove",
}
BEFORE = [("control", "0002_initial"), ("accounts", "0003_sessions"), ("environments", "0001_initial")]


@pytest.fixture(scope="module")
def upgraded(django_db_blocker: Any) -> Iterator[dict[int, list[int]]]:
    """A database of its own with old entries from before the upgrade: the entries' keys by chain."""
    with django_db_blocker.unblock(), override_settings(MIGRATION_MODULES={}):  # other tests go without migrations
        usual: BaseDatabaseWrapper = connections["default"]
        database_settings: Any = {**usual.settings_dict, "NAME": ":memory:"}
        connections["default"] = DatabaseWrapper(database_settings, alias="default")
        try:
            stored = _old_installation()
            executor = MigrationExecutor(connection)
            executor.migrate(executor.loader.graph.leaf_nodes())
            yield stored
        finally:
            connections["default"].close()
            connections["default"] = usual


def _old_installation() -> dict[int, list[int]]:
    executor = MigrationExecutor(connection)
    old = executor.migrate(BEFORE).apps
    environment, entry, head = (
        old.get_model(*each)
        for each in (("environments", "Environment"), ("control", "AuditEntry"), ("control", "AuditHead"))
    )
    for key, name in enumerate(("Lab", "Empty"), 7):
        environment.objects.create(pk=key, name=name, desired="active", state="active")
    stored: dict[int, list[int]] = {}
    lab = environment.objects.get(name="Lab").pk
    # As they were written: one chain's entries between another's.
    for number, event in zip((0, lab, 0, lab, lab), WORDS, strict=True):
        line = entry.all_objects.create(
            environment_id=number or None,
            at=datetime(2026, 11, 20, 12, 0, 0, 123456, tzinfo=UTC),
            account_number=77,
            via="console",
            event=event,
            kind=event.partition(".")[0] if "." in event else "",
            target=3,
            target_name="wéb",
            request={"b": 1, "a": ["é", None]},
            before="of old",
            digest="0" * 64,
        )
        stored.setdefault(number, []).append(line.pk)
    for number in (*stored, environment.objects.get(name="Empty").pk):
        head.objects.create(environment_number=number, digest="of old" if number in stored else "")
    return stored


def lines_of(number: int) -> list[AuditEntry]:
    return list(AuditEntry.all_objects.filter(environment=number or None).order_by("pk"))


def test_every_chain_is_whole_and_has_all_its_entries(upgraded: dict[int, list[int]]):
    reports = {number: verify(number) for number in chain_numbers()}
    assert {number: report.faults for number, report in reports.items()} == {number: [] for number in reports}
    assert {number: report.lines for number, report in reports.items() if report.lines} == {
        number: len(keys) for number, keys in upgraded.items()
    }


def test_entries_have_their_places_in_the_order_in_which_they_were_written(upgraded: dict[int, list[int]]):
    for number, keys in upgraded.items():
        lines = lines_of(number)
        assert [(row.pk, row.number) for row in lines] == [(key, place) for place, key in enumerate(keys, 1)]
        assert [row.previous_digest for row in lines] == ["", *(row.digest for row in lines[:-1])]
        assert AuditHead.objects.get(environment_number=number).digest == lines[-1].digest


def test_what_the_entries_say_stayed_as_it_was(upgraded: dict[int, list[int]]):
    written = dict(zip(sorted(key for keys in upgraded.values() for key in keys), WORDS.values(), strict=True))
    for number in upgraded:
        for row in lines_of(number):
            assert (row.event, row.target_name, row.account_number) == (written[row.pk], "wéb", 77)
            assert (row.kind, row.format) == (row.event.partition(".")[0] if "." in row.event else "", V1_FORMAT)
            assert row.request == {"b": 1, "a": ["é", None]}
            assert (row.code, row.response, row.answer_number, row.answer_digest) == ("", {}, None, "")


def test_a_chain_without_entries_begins_empty(upgraded: dict[int, list[int]]):
    empty = AuditHead.objects.get(environment_number=Environment.objects.get(name="Empty").pk)
    assert (empty.length, empty.digest) == (0, "")
    assert verify(empty.environment_number).is_intact


def test_new_entries_follow_on_the_old_ones(upgraded: dict[int, list[int]]):
    lab = max(upgraded)
    length = len(lines_of(lab))
    made = append_entry(AuditEntry(environment_id=lab, via="api", event="container.stop"))
    assert (made.number, made.previous_digest) == (length + 1, lines_of(lab)[-2].digest)
    assert verify(lab).is_intact
    AuditEntry.all_objects.filter(pk=made.pk).update(event="container.start")
    assert [fault.line for fault in verify(lab).faults] == [made.pk]
    AuditEntry.all_objects.filter(pk=made.pk).update(event="container.stop")


@pytest.mark.parametrize("change", [{"target_name": "x"}, {"request": {}}, {"via": "api"}, {"account_number": 78}])
def test_a_later_change_of_an_old_entry_is_found(change: dict[str, Any], upgraded: dict[int, list[int]]):
    first = AuditEntry.all_objects.filter(pk=upgraded[0][0])
    was = {name: getattr(first.get(), name) for name in change}
    first.update(**change)
    assert {fault.line for fault in verify(0).faults} == {upgraded[0][0]}
    first.update(**was)
    assert verify(0).is_intact
