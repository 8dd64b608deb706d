"""Wire ids go out and come back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.ids import parse_key, row_key, row_number, wire_id

letters = st.text(alphabet="abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=6)


@given(letters, st.integers(min_value=0, max_value=10**18 - 1))
def test_a_number_comes_back(prefix: str, number: int):
    assert row_key(wire_id(prefix, number)) == number
    assert row_number(wire_id(prefix, number)) == number


@given(letters, st.from_regex(r"[A-Za-z][A-Za-z0-9._-]{0,40}", fullmatch=True))
def test_a_name_comes_back_and_is_no_number(prefix: str, name: str):
    assert row_key(wire_id(prefix, name)) == name
    assert row_number(wire_id(prefix, name)) is None


@given(st.text(max_size=40))
def test_no_text_makes_it_stumble(text: str):
    assert isinstance(row_key(text), int | str | None)


@pytest.mark.parametrize("thing", [None, 5, True, 1.5, [], {}, "", "5", "1", "-1", "1i", "1i-2", "2i5", "1i5 ", "1I5"])
def test_what_is_no_id_names_no_row(thing: object):
    assert row_number(thing) is None


def test_digits_of_other_scripts_are_no_digits():
    assert row_number("1i٤٢") is None


def test_a_number_too_long_for_the_database_is_no_id():
    assert row_number("1i" + "9" * 19) is None


def test_a_bare_name_is_a_key():
    assert row_key("api.host") == "api.host"


def test_an_id_beyond_any_name_is_no_id():
    assert row_key("1i!" + "a" * 3000) is None
    assert row_key("a" * 3000) is None
    assert row_key("1i!" + "a" * 1024) == "a" * 1024


@pytest.mark.parametrize("text", ["²", "٣", "", "-1", " 1", "1_0", "9" * 40, "1.0"])
def test_a_key_is_written_in_ascii_digits_that_fit(text: str):
    assert parse_key(text) is None


def test_a_key_is_read():
    assert parse_key("0042") == 42
    assert parse_key("9" * 18) == 10**18 - 1
