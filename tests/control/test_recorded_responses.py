"""How the audit log records answers, what it keeps of long or odd ones, and who may read it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.control.audit import chain
from apps.control.audit.export import COLUMNS, export_lines
from apps.control.audit.verify import verify
from apps.control.models import AuditEntry, Operation
from apps.control.selectors import retained_counts, visible_audit_entries
from apps.control.services import note_progress, record, record_response
from apps.core.redact import BLANK
from apps.environments.actor import SYSTEM, Actor
from apps.environments.models import Environment

Actors = Callable[..., Actor]


def record_entry(actor: Actor, lab: Environment, code: int = 200, response: Any = None, **request: Any) -> None:
    record_response(actor, code, response or {}, event="container.stop", environment_id=lab.pk, request=request)


def of_lab(lab: Environment, after: int = 0) -> list[AuditEntry]:
    return list(AuditEntry.all_objects.filter(environment=lab, pk__gt=after).order_by("pk"))


@pytest.fixture
def last(lab: Environment) -> int:
    """The last line before the test's own."""
    return max((row.pk for row in of_lab(lab)), default=0)


def test_every_line_of_a_request_is_answered_and_the_first_with_the_text(lab: Environment, last: int, actor_of: Actors):
    bob = actor_of("bob")
    for number in range(3):
        record("container.stop", actor=bob, environment_id=lab.pk, request={"n": number})
    record_entry(bob, lab, 202, {"id": "1i7"})
    found = of_lab(lab, last)
    assert [row.code for row in found] == ["202"] * 3
    assert [row.response for row in found] == [{"id": "1i7"}, {}, {}]
    assert verify(lab.pk).is_intact


def test_an_answer_is_given_once(lab: Environment, last: int, actor_of: Actors):
    bob = actor_of("bob")
    record("container.stop", actor=bob, environment_id=lab.pk)
    record_entry(bob, lab, 200, {"first": True})
    record_entry(bob, lab, 200, {"second": True})
    assert [(row.code, row.response) for row in of_lab(lab, last)] == [("200", {"first": True})]


@pytest.mark.parametrize(
    ("code", "lines_made"),
    [(200, 0), (201, 0), (204, 0), (304, 0), (400, 1), (403, 1), (409, 1), (422, 1), (500, 1), (404, 0)],
)
def test_a_refusal_without_a_line_gets_one(code: int, lines_made: int, lab: Environment, last: int, actor_of: Actors):
    record_entry(actor_of("bob"), lab, code, {"message": "no"}, name="x")
    found = of_lab(lab, last)
    assert len(found) == lines_made
    for row in found:
        assert (row.event, row.code, row.request, row.response) == (
            "container.stop",
            str(code),
            {"name": "x"},
            {"message": "no"},
        )
    assert verify(lab.pk).is_intact


def test_nobody_s_refusals_leave_no_line(lab: Environment, last: int):
    record_entry(SYSTEM, lab, 422)
    record_entry(replace(SYSTEM, via="api"), lab, 500)
    assert of_lab(lab, last) == []


def test_secrets_are_blanked_in_both_halves(lab: Environment, last: int, actor_of: Actors):
    record_entry(actor_of("bob"), lab, 422, {"secretValue": "s3cret-77", "codes": ["aaaa"]}, password="pw-12345")
    [row] = of_lab(lab, last)
    assert (row.request, row.response) == ({"password": BLANK}, {"secretValue": BLANK, "codes": BLANK})


def test_a_very_long_response_is_recorded_by_its_length(lab: Environment, last: int, actor_of: Actors):
    record_entry(actor_of("bob"), lab, 422, {f"field{number}": "x" * 1000 for number in range(60)})
    [row] = of_lab(lab, last)
    assert set(row.response) == {"omitted"}
    assert row.response["omitted"].endswith(" characters")
    assert verify(lab.pk).is_intact


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"a": "x\x00y"}, {"a": "x\ufffdy"}),
        ({"a": float("nan")}, {"a": None}),
        ({"a": float("inf")}, {"a": None}),
        ({"a": "\ud800"}, {"a": "\ufffd"}),
        ({"a\x00": [r"\u0000"]}, {"a\ufffd": [r"\u0000"]}),
        ({"a": "é☃"}, {"a": "é☃"}),
        ({1: "a"}, {"1": "a"}),
        ({"a": {1}}, {"a": "{1}"}),
        ([1, None, True], [1, None, True]),
        ("text", "text"),
    ],
)
def test_what_databases_do_not_take_is_put_into_what_they_take(value: Any, expected: Any):
    assert chain.limit_size(value) == expected


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), lambda inner: st.lists(inner, max_size=4)))
def test_whatever_is_recorded_can_be_stored(value: Any):
    text = json.dumps(chain.limit_size(value), allow_nan=False)
    assert "\\u0000" not in text
    text.encode()


def test_a_line_out_of_nowhere_belongs_to_the_installation(people: Any):
    entry = record("setting.update", actor=None, request={"name": "x"})
    assert (entry.environment_id, entry.account, entry.kind, entry.target) == (None, None, "", None)
    assert verify(0).is_intact


@pytest.mark.parametrize(("who", "sees"), [("root", "all"), ("bob", "lab"), ("rita", "lab"), ("mallory", "none")])
def test_who_reads_which_lines(who: str, sees: str, lab: Environment, actor_of: Actors):
    record("setting.update", actor=None)
    found = set(visible_audit_entries(actor_of(who)).values_list("environment", flat=True))
    assert found == {"all": {lab.pk, None}, "lab": {lab.pk}, "none": set()}[sees]


@pytest.mark.parametrize("who", ["alice", "bob", "mallory"])
def test_how_much_is_kept_is_for_administrators(who: str, lab: Environment, actor_of: Actors):
    assert retained_counts(actor_of(who)) == {}
    assert retained_counts(actor_of("root")) == {
        "retention.audit.days": AuditEntry.all_objects.count(),
        "retention.operations.days": Operation.all_objects.count(),
    }


@pytest.fixture
def odd(lab: Environment, actor_of: Actors) -> Any:
    """One line with everything in it that a file could stumble over."""
    request = {"a": 'quote " comma , line\nend', "b": ["=x"]}
    entry = record("container.stop", actor=actor_of("bob"), environment_id=lab.pk, request=request, address="10.0.0.9")
    AuditEntry.all_objects.filter(pk=entry.pk).update(target_name="=cmd|' /C calc'!A0")
    return AuditEntry.all_objects.filter(pk=entry.pk)


def test_as_csv_it_is_read_back_by_spreadsheets_and_runs_nothing(odd: Any):
    names, cells = csv.reader(io.StringIO("".join(export_lines(odd, "csv"))))
    assert tuple(names) == COLUMNS
    row = dict(zip(names, cells, strict=True))
    assert (row["login"], row["address"], row["targetName"]) == ("bob", "10.0.0.9", "'=cmd|' /C calc'!A0")
    assert json.loads(row["request"])["a"] == 'quote " comma , line\nend'


def test_as_json_it_is_one_object_a_line_and_nothing_is_changed(odd: Any, lab: Environment, people: Any):
    [line] = list(export_lines(odd, "jsonl"))
    row = json.loads(line)
    assert set(row) == set(COLUMNS)
    assert line.count("\n") == 1
    assert (row["environment"], row["account"]) == (f"1a{lab.pk}", f"1a{people.bob.pk}")
    assert (row["targetName"], row["request"]["b"]) == ("=cmd|' /C calc'!A0", ["=x"])


@pytest.mark.parametrize(("kind", "count"), [("csv", 1), ("jsonl", 0)])
def test_a_file_of_no_lines_is_a_file(kind: str, count: int, people: Any):
    assert len(list(export_lines(AuditEntry.all_objects.none(), kind))) == count


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_each_beginning_of_a_formula_is_made_a_text(start: str, odd: Any):
    odd.update(target_name=f"{start}1", event="-x", address="@y")
    [_names, *rows] = csv.reader(io.StringIO("".join(export_lines(odd, "csv")), newline=""))
    assert {cell for cell in rows[0] if cell.startswith("'")} == {f"'{start}1", "'-x", "'@y"}


def test_a_forgotten_account_leaves_its_number(odd: Any, people: Any):
    number = people.bob.pk
    odd.update(account=None)
    row = json.loads(next(iter(export_lines(odd, "jsonl"))))
    assert (row["account"], row["login"]) == (f"1a{number}", None)


def test_a_note_is_a_line_of_every_open_operation_of_its_row(host: Any, actor_of: Actors):
    going = [
        Operation.all_objects.create(
            environment=host.environment,
            name="host.x",
            kind="host",
            target=host.pk,
            generation=9,
            via="api",
            state=state,
        )
        for state in ("pending", "running", "succeeded", "failed")
    ]
    note_progress(host, "one", "two")
    note_progress(host)
    assert [list(each.lines.values_list("text", flat=True)) for each in going] == [
        ["one", "two"],
        ["one", "two"],
        [],
        [],
    ]
