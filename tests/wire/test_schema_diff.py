"""What is compared with a reference's schemas, which differences have a reason, and what the command prints."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from apps.api.differences.absent_types import ABSENT_TYPES
from apps.api.differences.comparison import SchemaDifference, compare_schemas, roles_by_difference
from apps.api.differences.reasons import REASONS, Reason, parse_reasons, reason_for
from apps.api.wire.resource import all_resources
from portal.tools import schema_diff
from portal.tools.schema_diff import load_reference, main, our_schemas, report

FIELD = {"type": "string", "create": True, "update": True, "nullable": True, "maxLength": 255}


def type_of(**changes: Any) -> dict[str, Any]:
    """A type of a reference, as its files have it."""
    return {
        "id": "thing",
        "collectionMethods": ["GET", "POST"],
        "resourceMethods": ["GET", "PUT"],
        "resourceFields": {"name": FIELD},
        "resourceActions": {"stop": {"input": "stopInput", "output": "thing"}},
        "collectionFilters": {"name": ["eq", "ne"]},
        **changes,
    }


def served(**changes: Any) -> dict[str, Any]:
    """The same as our schemas have it."""
    found = type_of(**changes)
    return {
        **found,
        "collectionFilters": {name: {"modifiers": each} for name, each in found["collectionFilters"].items()},
    }


def parts(reference: dict[str, Any], ours: dict[str, Any]) -> list[str]:
    return [each.part for each in compare_schemas({"thing": reference}, {"thing": ours})]


def test_equal_types_do_not_differ():
    assert parts(type_of(), served()) == []


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"collectionMethods": ["GET"]}, "collection method POST"),
        ({"resourceMethods": ["GET"]}, "resource method PUT"),
        ({"resourceFields": {}}, "field name"),
        ({"resourceFields": {"name": FIELD, "more": FIELD}}, "field more"),
        ({"resourceActions": {}}, "action stop"),
        ({"resourceActions": {"stop": {"output": "thing"}}}, "action stop input"),
        ({"resourceActions": {"stop": {"input": "stopInput", "output": "x"}}}, "action stop output"),
        ({"collectionFilters": {}}, "filter name"),
        ({"collectionFilters": {"name": ["eq"]}}, "filter name modifiers"),
        *(
            ({"resourceFields": {"name": {**FIELD, flag: value}}}, f"field name {flag}")
            for flag, value in (
                ("type", "password"), ("create", False), ("update", False), ("nullable", False), ("required", True),
                ("default", "x"), ("options", ["a"]), ("maxLength", 9), ("minLength", 1),
            )
        ),
    ],
)  # fmt: skip
def test_each_thing_that_differs_is_found(changes: dict[str, Any], part: str):
    assert parts(type_of(), served(**changes)) == [part]
    assert parts(type_of(**changes), served()) == [part]


def test_a_missing_type_is_one_difference_and_one_of_ours_alone_is_none():
    assert compare_schemas({"thing": type_of()}, {}) == [SchemaDifference("thing", "type", "true", "")]
    assert compare_schemas({}, {"thing": served()}) == []


@pytest.mark.parametrize("limits", [{"required": True}, {"default": 1}, {"options": ["a"]}, {"maxLength": 3}])
def test_limits_of_input_count_only_where_there_is_some(limits: dict[str, Any]):
    shown = {**FIELD, "create": False, "update": False}
    assert parts(type_of(resourceFields={"name": {**shown, **limits}}), served(resourceFields={"name": shown})) == []


def test_the_width_of_a_column_is_no_limit_of_a_date():
    date = {**FIELD, "type": "date"}
    bare = {**date, "maxLength": None}
    assert parts(type_of(resourceFields={"name": date}), served(resourceFields={"name": bare})) == []


def test_a_difference_names_the_roles_that_see_it():
    one, other = SchemaDifference("a", "field x", "true", ""), SchemaDifference("b", "type", "true", "")
    found = roles_by_difference({"owner": [other, one], "admin": [one]})
    assert list(found.items()) == [(one, ["owner", "admin"]), (other, ["owner"])]


@pytest.mark.parametrize(
    ("difference", "words"),
    [
        (SchemaDifference("a", "field x create", "true", "false"), "field x create: true in the reference, false here"),
        (SchemaDifference("a", "field x", "true", ""), "field x: only in the reference"),
        (SchemaDifference("a", "field x", "", "true"), "field x: only here"),
    ],
)
def test_a_difference_is_said_in_words(difference: SchemaDifference, words: str):
    assert str(difference) == words


def test_the_first_reason_that_fits_counts_and_patterns_are_whole_words():
    reasons = parse_reasons("""
        thing, other* | field x | first
        *             | field *  |
            second
    """)
    assert reason_for(SchemaDifference("thing", "field x", "", "true"), reasons) == "first"
    assert reason_for(SchemaDifference("others", "field x", "", "true"), reasons) == "first"
    assert reason_for(SchemaDifference("things", "field x", "", "true"), reasons) == "second"
    assert reason_for(SchemaDifference("things", "action x", "", "true"), reasons) == ""


@pytest.mark.parametrize("line", ["a | b", "a | b | c | d", "a || c", "words"])
def test_a_reason_without_its_three_parts_is_refused(line: str):
    with pytest.raises(ValueError, match=r"types \| parts \| why"):
        parse_reasons(line)


def test_every_reason_is_about_a_type_that_exists_or_is_absent():
    known = [SchemaDifference(each.name, "", "", "") for each in all_resources()]
    known += [SchemaDifference(name, "", "", "") for names in ABSENT_TYPES.values() for name in names.split()]
    for each in REASONS:
        anything = Reason(each.types, "*", each.why)
        assert any(anything.explains(one) for one in known), each.types


def test_the_roles_of_a_reference_have_our_schemas_and_unknown_ones_none(people: Any):
    assert our_schemas("register") is None
    assert our_schemas("readAdmin") is None
    assert our_schemas("project") == our_schemas("owner")
    assert "host" not in (our_schemas("token") or {})
    seen = {role: set(our_schemas(role) or ()) for role in ("token", "readonly", "owner", "admin")}
    assert len(seen["token"]) < len(seen["readonly"]) <= len(seen["owner"])


@pytest.fixture
def reference(tmp_path: Path, people: Any) -> Path:
    """A reference that is ours, but for one type that we do not have and one field."""
    owner: dict[str, Any] = copy.deepcopy(dict(our_schemas("owner") or {}))
    for each in owner.values():
        each["collectionFilters"] = {name: found["modifiers"] for name, found in each["collectionFilters"].items()}
    owner["host"]["resourceFields"]["wings"] = FIELD
    owner["host"]["resourceFields"]["agentId"] = FIELD  # the page about fields says why it is not here
    owner["dragon"] = type_of(id="dragon")
    owner["backup"] = type_of(id="backup")
    (tmp_path / "owner.json").write_text(json.dumps(list(owner.values())))
    (tmp_path / "register.json").write_text("[]")
    return tmp_path


def test_what_no_reason_explains_is_printed_and_counted(reference: Path):
    lines, unexplained = report(reference, everything=False)
    assert unexplained == 2
    assert [line.split()[0] for line in lines[:-1]] == ["dragon", "host"]
    assert "wings: only in the reference (owner)" in lines[1]
    assert lines[-1] == "4 differences over 1 roles; kinds without a reason: 2."


def test_all_are_printed_with_their_reasons_when_asked_for(reference: Path):
    lines, unexplained = report(reference, everything=True)
    assert unexplained == 2
    assert len(lines) == 5
    assert any(line.startswith("backup") and "Backups and snapshots" in line for line in lines)
    assert any("agentId" in line and "agents are not rows of their own" in line for line in lines)


@pytest.mark.parametrize("arguments", [[], ["a", "b"], ["/nowhere"]])
def test_without_a_folder_of_schemas_the_command_says_what_it_takes(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
):
    assert main(arguments) == 2
    assert "REF=<folder>" in capsys.readouterr().out


def test_the_command_fails_while_something_has_no_reason(
    reference: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(schema_diff, "_set_up_django", lambda _data_dir: None)
    assert main([str(reference)]) == 1
    assert "dragon" in capsys.readouterr().out
    assert sorted(load_reference(reference)) == ["owner", "register"]
