"""A list is the same parsed row by row as parsed whole, in whatever pieces it comes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core import read_budgets
from apps.core.read_budgets import OverBudget
from apps.drivers.docker.json_rows import parse_rows
from apps.drivers.docker.safe_json import parse_json

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
ROWS = st.lists(st.dictionaries(TEXTS, VALUES, max_size=4), max_size=5)


def cut(body: bytes, size: int) -> list[bytes]:
    return [body[at : at + size] for at in range(0, len(body), size)]


@given(rows=ROWS, size=st.integers(1, 40), indent=st.none() | st.integers(0, 2), ascii_only=st.booleans())
def test_rows_are_those_of_the_whole_list(rows: list[Any], size: int, indent: int | None, *, ascii_only: bool) -> None:
    body = json.dumps(rows, indent=indent, ensure_ascii=ascii_only).encode() + b"\n"
    assert list(parse_rows(cut(body, size))) == parse_json(body)


@pytest.mark.parametrize("body", [b"null", b" null\n", b"[]", b" [ ] "])
def test_nothing_is_an_empty_list(body: bytes) -> None:
    assert list(parse_rows(cut(body, 3))) == []


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"[1]", b"[{}", b"[{},", b"[{} {}]", b'[{"a":', b"[{]", b"nul", b"[" * 99_999, b'[{"a":' * 99_999],
)
def test_anything_else_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"it is|the list is"):
        list(parse_rows(cut(body, 1000)))


def test_rows_have_a_size_and_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_budgets, "MAX_ROWS", 3)
    monkeypatch.setattr(read_budgets, "MAX_ROW_BYTES", 1000)
    assert len(list(parse_rows([b"[{},{},{}]"]))) == 3
    with pytest.raises(OverBudget, match="more than 3 rows"):
        list(parse_rows([b"[{},{},{},{}]"]))
    with pytest.raises(OverBudget, match="a row of more than"):
        list(parse_rows(cut(b'[{"a": "' + b"x" * 5000, 100)))


def test_what_no_database_takes_is_replaced_in_its_row() -> None:
    assert list(parse_rows([b'[{"a": "\\u0000"}, {"a": "b"}]'])) == [{"a": "\ufffd"}, {"a": "b"}]
