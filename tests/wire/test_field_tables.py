"""Fields of v1 types: parsed from a table, shown in schemas, validated in the bodies of programs and forms."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.api.wire.fields import (
    MAX_DEPTH,
    Field,
    check_json,
    check_object,
    parse_fields,
)
from apps.api.wire.input import method_not_allowed, pick, validate_body
from apps.core.errors import Invalid, MethodNotAllowed


def parse_field(row: str) -> Field:
    """The field that a row describes."""
    (found,) = parse_fields(row)
    return found


@pytest.mark.parametrize(
    ("row", "name", "value"),
    [
        ("name string cu", "crud", "cu"),
        ("name string cu", "required", False),
        ("name string cu *", "required", True),
        ("name string cu", "nullable", True),
        ("name string cu ~", "nullable", False),
        ("secret string r !", "shown_once", True),
        ("data json r ^", "admin", True),
        ("host reference[host] r <host_id", "source", "host_id"),
        ("kind enum c :a|b|c", "options", ("a", "b", "c")),
        ("name string c 1..63", "low", 1),
        ("name string c 1..63", "high", 63),
        ("lines int c 0..", "high", None),
        ("scale int c =1", "default", 1),
        ("follow boolean c =true", "default", True),
        ("version string r =\"0\"", "default", "0"),
        ("mode enum c =managed", "default", "managed"),
        ("ports array[string] c =[]", "default", []),
    ],
)  # fmt: skip
def test_each_mark_in_a_row_sets_its_property(row: str, name: str, value: Any):
    assert getattr(parse_field(row), name) == value


def test_marks_stand_in_any_order():
    assert parse_field("a int cu * 1..9 =3 <x ~") == parse_field("a int cu ~ <x =3 1..9 *")


def test_a_table_keeps_the_order_of_its_rows_and_skips_empty_ones():
    assert [each.name for each in parse_fields("\n  b string r\n\n  a string r\n")] == ["b", "a"]


@pytest.mark.parametrize("row", ["name string", "name", "a int c one..two"])
def test_a_malformed_row_stops_the_start(row: str):
    with pytest.raises(ValueError):  # noqa: PT011 - whichever of the words it is
        parse_fields(row)


@pytest.mark.parametrize(
    ("kind", "inner"),
    [
        ("string", ""),
        ("array[string]", "string"),
        ("reference[host]", "host"),
        ("map[json]", "json"),
        ("array[reference[volume]]", "reference[volume]"),
    ],
)
def test_the_inner_type_is_parsed(kind: str, inner: str):
    assert Field(name="a", type=kind).inner == inner


@pytest.mark.parametrize(
    ("kind", "has", "has_not"),
    [
        ("string", {"prefix", "like", "notlike"}, {"lt", "gte"}),
        ("int", {"lt", "lte", "gt", "gte"}, {"prefix", "like"}),
        ("float", {"lt"}, {"like"}),
        ("date", {"lt", "gt"}, {"prefix"}),
        ("boolean", set(), {"lt", "like"}),
        ("reference[host]", set(), {"lt", "prefix"}),
        ("enum", set(), {"like"}),
    ],
)
def test_modifiers_follow_from_the_type(kind: str, has: set[str], has_not: set[str]):
    found = set(Field(name="a", type=kind, source="a").modifiers)
    assert has | {"eq", "ne", "null", "notnull"} <= found
    assert not has_not & found


def test_a_field_without_a_column_has_no_filters():
    assert Field(name="a", type="string").modifiers == []


@pytest.mark.parametrize(
    ("crud", "writable", "create", "update"),
    [
        ("cu", "cu", True, True),
        ("cu", "c", True, False),
        ("cu", "", False, False),
        ("c", "cu", True, False),
        ("u", "cu", False, True),
        ("r", "cu", False, False),
    ],
)
def test_a_schema_says_what_this_role_may_write(crud: str, writable: str, create: bool, update: bool):
    schema_field = Field(name="a", type="string", crud=crud).schema(writable=writable)
    assert (schema_field["create"], schema_field["update"]) == (create, update)


@pytest.mark.parametrize(
    ("kind", "bounds", "free"),
    [("string", ("minLength", "maxLength"), ("min", "max")), ("password", ("minLength", "maxLength"), ("min", "max")),
     ("int", ("min", "max"), ("minLength", "maxLength"))],
)  # fmt: skip
def test_bounds_are_those_of_a_number_or_of_a_length(kind: str, bounds: Any, free: Any):
    schema_field = Field(name="a", type=kind, low=2, high=5).schema(writable="")
    assert [schema_field[name] for name in (*bounds, *free)] == [2, 5, None, None]


def test_a_schema_has_null_for_no_options():
    assert Field(name="a", type="enum").schema(writable="")["options"] is None
    assert Field(name="a", type="enum", options=("x",)).schema(writable="")["options"] == ["x"]


@pytest.mark.parametrize(
    ("row", "value", "taken"),
    [
        ("a string c", "x", "x"),
        ("a string c", 7, "7"),
        ("a int c", 7, 7),
        ("a int c", "7", 7),
        ("a int c", 7.0, 7),
        ("a int c 1..9", 9, 9),
        ("a int c 0..", 10**9, 10**9),
        ("a boolean c", "TRUE", True),
        ("a boolean c", False, False),
        ("a enum c :x|y", "y", "y"),
        ("a enum c", "whatever", "whatever"),
        ("a array[int] c", ["1", 2], (1, 2)),
        ("a array[string] c", "one", ("one",)),
        ("a map[string] c", {"n": 1, "t": True, "z": None}, {"n": "1", "t": "true", "z": ""}),
        ("a map[int] c", {"n": "4"}, {"n": 4}),
        ("a json c", {"x": [1, None]}, {"x": [1, None]}),
        ("a reference[host] c", "1h1", "1h1"),
        ("a somethingElse c", {"x": 1}, {"x": 1}),
    ],
)
def test_a_value_is_converted_to_its_type(row: str, value: Any, taken: Any):
    assert parse_field(row).check("a", value) == taken


@pytest.mark.parametrize(
    ("row", "value", "code"),
    [
        ("a string c 2..3", "x", "MinLengthExceeded"),
        ("a string c 2..3", "xxxx", "MaxLengthExceeded"),
        ("a string c", {"x": 1}, "InvalidFormat"),
        ("a string c", True, "InvalidFormat"),
        ("a string c", "nul\0", "InvalidCharacters"),
        ("a int c 1..9", 0, "MinLimitExceeded"),
        ("a int c 1..9", 10, "MaxLimitExceeded"),
        ("a int c", 2**63, "MaxLimitExceeded"),
        ("a int c", 1.5, "InvalidFormat"),
        ("a int c", True, "InvalidFormat"),
        ("a int c", "1e3", "InvalidFormat"),
        ("a boolean c", "yes", "InvalidFormat"),
        ("a boolean c", 1, "InvalidFormat"),
        ("a enum c :x|y", "X", "InvalidOption"),
        ("a enum c :x|y", ["x"], "InvalidOption"),
        ("a array[int] c", {"x": 1}, "InvalidFormat"),
        ("a array[int] c", ["x"], "InvalidFormat"),
        ("a map[string] c", ["x"], "InvalidFormat"),
        ("a map[string] c", {"": "x"}, "MinLengthExceeded"),
        ("a map[string] c", {"x": [1]}, "InvalidFormat"),
        ("a json c", "half \ud800", "InvalidCharacters"),
        ("a somethingElse c", "text", "InvalidFormat"),
    ],
)
def test_a_value_of_another_type_is_refused_by_the_name_of_its_field(row: str, value: Any, code: str):
    with pytest.raises(Invalid) as refusal:
        parse_field(row).check("a", value)
    assert (refusal.value.field, refusal.value.code) == ("a", code)


def nest(levels: int) -> Any:
    """A list nested `levels` deep."""
    found: Any = "core"
    for _ in range(levels):
        found = [found]
    return found


def test_json_may_be_as_deep_as_the_limit_and_no_deeper():
    assert check_json("a", nest(MAX_DEPTH)) == nest(MAX_DEPTH)
    with pytest.raises(Invalid, match="too deeply"):
        check_json("a", nest(MAX_DEPTH + 1))


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"], min_codepoint=1)),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text("abc", min_size=1), inner, max_size=3)
    ),
    max_leaves=12,
)  # fmt: skip


@given(_JSON)
def test_json_that_can_be_stored_is_accepted_unchanged(value: Any):
    assert check_json("a", value) == value


@pytest.mark.parametrize("value", [None, [], "x", 3, True])
def test_a_value_that_is_not_an_object_is_refused(value: Any):
    with pytest.raises(Invalid, match="must be an object"):
        check_object("config", value)


FIELDS = parse_fields("""
    name   string        cu *
    scale  int           cu =1
    note   string        u
    id     string        r
    boss   string        cu ^
    tags   array[string] c
    more   map[string]   c
    on     boolean       c
    ref    reference[x]  c
""")


def test_unknown_and_unwritable_fields_are_ignored():
    assert validate_body(FIELDS, {"name": "a", "id": "9", "note": "n", "x": 1, "boss": "me"}, "c") == {
        "name": "a",
        "scale": 1,
    }


def test_an_update_contains_only_the_fields_of_the_body():
    assert validate_body(FIELDS, {"note": "n", "name": None}, "u") == {"note": "n"}
    assert validate_body(FIELDS, {}, "u") == {}


def test_an_administrators_field_is_accepted_from_administrators_only():
    assert validate_body(FIELDS, {"boss": "me"}, "u", admin=True) == {"boss": "me"}
    assert validate_body(FIELDS, {"boss": "me"}, "u") == {}


@pytest.mark.parametrize("body", [None, {}, {"name": None}])
def test_a_missing_required_field_is_named(body: Any):
    with pytest.raises(Invalid) as refusal:
        validate_body(FIELDS, body, "c")
    assert (refusal.value.field, refusal.value.code) == ("name", "MissingRequired")


@pytest.mark.parametrize("body", [[], "x", 3, False])
def test_a_body_of_another_type_is_refused(body: Any):
    with pytest.raises(Invalid) as refusal:
        validate_body(FIELDS, body, "c")
    assert refusal.value.field == "body"


@pytest.mark.parametrize(
    ("name", "text", "taken"),
    [
        ("tags", "one\ntwo", ("one", "two")),
        ("tags", '["one"]', ("one",)),
        ("more", '{"A": "b"}', {"A": "b"}),
        ("on", "true", True),
        ("scale", "3", 3),
        ("ref", "1x1", "1x1"),
    ],
)
def test_a_forms_text_is_converted_to_the_fields_type(name: str, text: str, taken: Any):
    assert validate_body(FIELDS, {"name": "a", name: text}, "c", form=True)[name] == taken


@pytest.mark.parametrize("text", ["", "  \t"])
@pytest.mark.parametrize("name", ["tags", "more", "on"])
def test_an_empty_input_of_a_form_counts_as_absent(name: str, text: str):
    assert name not in validate_body(FIELDS, {"name": "a", name: text}, "c", form=True)


def test_a_forms_invalid_json_is_refused_at_its_field():
    with pytest.raises(Invalid) as refusal:
        validate_body(FIELDS, {"name": "a", "more": "{"}, "c", form=True)
    assert refusal.value.field == "more"


def test_only_the_values_of_forms_are_converted():
    assert validate_body(FIELDS, {"name": "a", "tags": '["one"]'}, "c")["tags"] == ('["one"]',)


def test_pick_renames_the_given_fields_and_skips_the_others():
    assert pick({"externalId": "x", "other": 1}, external_id="externalId", start="startOnCreate") == {
        "external_id": "x"
    }


def test_a_refused_method_is_named():
    refusal = method_not_allowed("PUT")
    assert isinstance(refusal, MethodNotAllowed)
    assert "PUT" in refusal.message
