"""Secrets are blanked by the field they stand in and by what they are."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.redact import BLANK, redact

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize("name", ["password", "Password", "secretValue", "token", "tlsKey", "oldSecret", "code"])
def test_a_secret_field_is_blanked_at_any_depth(name: str):
    assert redact({"a": [{name: "hush", "user": "u"}]}) == {"a": [{name: BLANK, "user": "u"}]}


def test_an_empty_secret_shows_that_it_is_empty():
    assert redact({"password": ""}) == {"password": ""}


def test_the_values_of_environment_variables_are_blanked_and_their_names_stay():
    assert redact({"environment": {"DB": "hush", "MODE": "x"}}) == {"environment": {"DB": BLANK, "MODE": BLANK}}


@pytest.mark.parametrize("name", ["dockerCompose", "rancherCompose"])
def test_compose_files_are_not_written_down_for_they_hold_passwords(name: str):
    assert redact({name: "web:\n  environment:\n    DB: hush"}) == {name: BLANK}


def test_an_environment_given_as_a_list_of_lines_keeps_only_the_names():
    assert redact({"environment": ["DB=hush", "MODE"]}) == {"environment": [f"DB={BLANK}", "MODE"]}


def test_a_wire_reference_called_environment_stays():
    assert redact({"environment": "1e5", "environmentId": "1e5"}) == {"environment": "1e5", "environmentId": "1e5"}


def test_a_known_secret_is_blanked_wherever_it_stands():
    assert redact({"cmd": ["run --with=hush9"], "x": "hush9"}, ["hush9"]) == {
        "cmd": [f"run --with={BLANK}"],
        "x": BLANK,
    }


def test_an_empty_secret_blanks_nothing():
    assert redact({"x": "abc"}, [""]) == {"x": "abc"}


@given(json_values, st.text(alphabet="abcdefgh", min_size=4, max_size=8))
def test_a_known_secret_is_never_left_in_a_value(value: object, secret: str):
    told = redact({"v": value, "w": [f"x{secret}y"]}, [secret])
    assert secret not in json.dumps(values_of(told))


def values_of(thing: object) -> list[object]:
    """Every leaf, names of fields not included."""
    if isinstance(thing, dict):
        return [leaf for value in thing.values() for leaf in values_of(value)]
    if isinstance(thing, list):
        return [leaf for value in thing for leaf in values_of(value)]
    return [thing]


@given(json_values)
def test_what_was_given_is_not_changed(value: object):
    before = json.dumps(value, sort_keys=True)
    redact(value, ["a"])
    assert json.dumps(value, sort_keys=True) == before
