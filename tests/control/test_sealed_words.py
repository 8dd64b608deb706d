"""Entries sealed with v1's words verify with those, and no change of word or vocabulary passes unnoticed."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from apps.control.audit.chain import append_entry
from apps.control.audit.verify import verify
from apps.control.audit.vocabulary import FORMAT, V1_FORMAT, v1_event, v1_kind
from apps.control.models import AuditEntry
from apps.environments.models import Environment

WORDS = ("environment", "stack", "project", "service", "")


@pytest.fixture
def old_entries(lab: Environment) -> list[AuditEntry]:
    """One entry of each kind as the version before sealed it and the migration renamed it."""
    made = [AuditEntry(environment=lab, via="api", event=f"{kind}.create", kind=kind) for kind in WORDS]
    for entry in made:
        entry.format = V1_FORMAT
        append_entry(entry)
    return made


def test_new_entries_are_sealed_in_the_new_vocabulary(lab: Environment):
    made = append_entry(AuditEntry(environment=lab, via="api", event="stack.create", kind="stack"))
    assert made.format == FORMAT
    assert verify(lab.pk).is_intact


@pytest.mark.usefixtures("old_entries")
def test_entries_of_both_vocabularies_are_one_chain(lab: Environment):
    append_entry(AuditEntry(environment=lab, via="api", event="stack.create", kind="stack"))
    assert verify(lab.pk).is_intact


def test_the_words_they_were_sealed_with():
    assert [v1_kind(kind) for kind in ("environment", "stack", "service")] == ["project", "environment", "service"]
    assert [v1_event(event) for event in ("environment.create", "stack.remove", "login", "stacks.x")] == [
        "project.create",
        "environment.remove",
        "login",
        "stacks.x",
    ]


@pytest.mark.parametrize(("word", "other"), list(permutations(WORDS, 2)))
def test_no_word_can_take_another_s_place(word: str, other: str, old_entries: list[AuditEntry], lab: Environment):
    entry = old_entries[WORDS.index(word)]
    for change in ({"kind": other}, {"event": f"{other}.create"}, {"kind": other, "event": f"{other}.create"}):
        assert found_after(entry, lab, **change), change


@pytest.mark.parametrize("format_", [0, 2, 3])
@pytest.mark.parametrize("word", WORDS)
def test_no_entry_can_be_moved_to_another_vocabulary(
    word: str, format_: int, old_entries: list[AuditEntry], lab: Environment
):
    entry = old_entries[WORDS.index(word)]
    for kind in WORDS:
        assert found_after(entry, lab, format=format_, kind=kind, event=f"{kind}.create"), kind


def test_no_new_entry_can_be_moved_to_the_old_vocabulary(lab: Environment):
    entry = append_entry(AuditEntry(environment=lab, via="api", event="stack.create", kind="stack"))
    for kind in WORDS:
        assert found_after(entry, lab, format=V1_FORMAT, kind=kind, event=f"{kind}.create"), kind


def found_after(entry: AuditEntry, lab: Environment, **change: Any) -> bool:
    """Whether verifying names the entry once its columns are changed; they are put back."""
    columns = {name: getattr(entry, name) for name in ("kind", "event", "format")}
    AuditEntry.all_objects.filter(pk=entry.pk).update(**change)
    try:
        return [fault.line for fault in verify(lab.pk).faults] == [entry.pk]
    finally:
        AuditEntry.all_objects.filter(pk=entry.pk).update(**columns)
