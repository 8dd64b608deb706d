"""Fields are checked one by one, and refused by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from apps.core import fields as f
from apps.core.errors import Invalid


@dataclass(frozen=True, slots=True, kw_only=True)
class Inner(f.WireObject):
    size: int = f.wire("theSize", f.integer(1, 9), required=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outer(f.WireObject):
    words: tuple[str, ...] = f.wire("words", f.list_of(f.text(high=5), high=3), ())
    tags: Mapping[str, str] = f.wire("tags", f.mapping(f.map_text(5), high=3), {})
    names: Mapping[str, str] = f.wire("names", f.mapping(f.map_text()), {}, nullable=False)
    inner: Inner | None = f.wire("inner", f.nested(Inner))
    on: bool = f.flag("on", on=True)


REFUSED: list[tuple[f.Check, Any, str]] = [
    (f.text(), [], "InvalidFormat"),
    (f.text(), True, "InvalidFormat"),
    (f.text(), 1.5, "InvalidFormat"),
    (f.text(), "a\0b", "InvalidCharacters"),
    (f.text(), "\ud800", "InvalidCharacters"),
    (f.text(low=1), "", "MinLengthExceeded"),
    (f.text(high=2), "abc", "MaxLengthExceeded"),
    (f.text(pattern="[a-z]+"), "A", "InvalidCharacters"),
    (f.text(pattern="[a-z]+", code="InvalidFormat", hint="small letters"), "A", "InvalidFormat"),
    (f.integer(), "x", "InvalidFormat"),
    (f.integer(), True, "InvalidFormat"),
    (f.integer(), 1.5, "InvalidFormat"),
    (f.integer(), float("nan"), "InvalidFormat"),
    (f.integer(), 2**70, "MaxLimitExceeded"),
    (f.integer(0), -1, "MinLimitExceeded"),
    (f.boolean, 1, "InvalidFormat"),
    (f.boolean, "yes", "InvalidFormat"),
    (f.option("a", "b"), "c", "InvalidOption"),
    (f.option("a", "b"), ["a"], "InvalidOption"),
    (f.list_of(f.text()), {"a": 1}, "InvalidFormat"),
    (f.list_of(f.text(), high=1), ["a", "b"], "MaxLengthExceeded"),
    (f.list_of(f.integer()), ["x"], "InvalidFormat"),
    (f.mapping(f.text()), ["a"], "InvalidFormat"),
    (f.mapping(f.text(), high=1), {"a": "", "b": ""}, "MaxLengthExceeded"),
    (f.mapping(f.text()), {"": "x"}, "MinLengthExceeded"),
    (f.mapping(f.map_text()), {"a": ["x"]}, "InvalidFormat"),
    (f.nested(Inner), "x", "InvalidFormat"),
    (f.nested(Inner), {}, "MissingRequired"),
]


@pytest.mark.parametrize(("check", "value", "code"), REFUSED)
def test_a_wrong_value_is_refused_by_the_field_s_name(check: f.Check, value: Any, code: str) -> None:
    with pytest.raises(Invalid) as refusal:
        check("thing", value)
    assert refusal.value.code == code
    assert str(refusal.value.field).startswith("thing")


TAKEN: list[tuple[f.Check, Any, Any]] = [
    (f.text(), 80, "80"),
    (f.text(), "zażółć 🙂", "zażółć 🙂"),
    (f.integer(), "-12", -12),
    (f.integer(), 3.0, 3),
    (f.boolean, "TRUE", True),
    (f.boolean, False, False),
    (f.list_of(f.text()), "one", ("one",)),
    (f.list_of(f.text()), [1, "b"], ("1", "b")),
    (f.mapping(f.map_text()), {"a": 1, "b": True, "c": None, "d": 1.5}, {"a": "1", "b": "true", "c": "", "d": "1.5"}),
    (f.mapping(f.map_text()), {"a": False}, {"a": "false"}),
]


@pytest.mark.parametrize(("check", "value", "expected"), TAKEN)
def test_what_clients_send_is_taken(check: f.Check, value: Any, expected: Any) -> None:
    assert check("thing", value) == expected


def test_an_inner_field_is_named_with_its_outer_one() -> None:
    with pytest.raises(Invalid) as refusal:
        Outer.from_wire({"inner": {"theSize": 10}})
    assert refusal.value.field == "inner.theSize"


@pytest.mark.parametrize("body", [None, [], "x", 1])
def test_a_body_must_be_an_object(body: Any) -> None:
    with pytest.raises(Invalid) as refusal:
        Outer.from_wire(body)
    assert refusal.value.field == "body"


def test_null_is_absent_and_unknown_fields_are_dropped() -> None:
    assert Outer.from_wire({"words": None, "links": None, "actions": None, "more": 1}) == Outer()


def test_everything_is_written_and_absent_is_null() -> None:
    assert Outer().to_wire() == {"words": None, "tags": None, "names": {}, "inner": None, "on": True}
    full = Outer(words=("a",), tags={"a": "b"}, names={"c": "d"}, inner=Inner(size=3), on=False)
    assert full.to_wire() == {
        "words": ["a"],
        "tags": {"a": "b"},
        "names": {"c": "d"},
        "inner": {"theSize": 3},
        "on": False,
    }
    assert Outer.from_wire(full.to_wire()) == full


def test_only_what_was_said_is_stored() -> None:
    assert Outer().to_json() == {}
    assert Inner(size=1).to_json() == {"theSize": 1}
    full = Outer(words=("a",), on=False)
    assert full.to_json() == {"words": ["a"], "on": False}
    assert Outer.from_json(full.to_json()) == full


def test_salvage_keeps_what_is_right() -> None:
    data = {"words": ["a", "too long", "b"], "tags": {"x": "y", "z": "too long"}, "inner": {}, "on": "maybe"}
    assert Outer.from_wire_lenient(data) == Outer(words=("a", "b"), tags={"x": "y"})
    assert Outer.from_wire_lenient({"words": ["a"] * 4, "tags": dict.fromkeys("abcd", ""), "on": []}) == Outer()
    assert Outer.from_wire_lenient({"words": {}, "inner": {"theSize": 0}}) == Outer()
