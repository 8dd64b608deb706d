"""Characters that no database takes are recognized, and replaced."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.texts import REPLACEMENT, is_storable, labeled, strip_unstorable

ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.text("\x00\ud800\udfffa"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("\x00a"), inner, max_size=3),
    max_leaves=8,
)
STORED = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))


def texts(found: Any) -> list[str]:
    """Every text in it, the keys of its mappings too."""
    if isinstance(found, dict):
        return [text for pair in found.items() for each in pair for text in texts(each)]
    if isinstance(found, list):
        return [text for each in found for text in texts(each)]
    return [found] if isinstance(found, str) else []


@pytest.mark.parametrize(
    "text", ["", "text", "é☃", "\U0001f600", "\ud7ff", "\ue000", "\x01\n\x7f", r"\u0000", REPLACEMENT]
)
def test_what_can_be_kept_is_known(text: str) -> None:
    assert is_storable(text)
    assert strip_unstorable(text) == text


@pytest.mark.parametrize("number", [0, 0xD800, 0xDBFF, 0xDC00, 0xDFFF])
def test_a_mark_stands_for_each_sign_that_cannot(number: int) -> None:
    sign = chr(number)
    assert not any(map(is_storable, (sign, f"a{sign}", f"{sign}a")))
    assert strip_unstorable(f"a{sign}b{sign}") == f"a{REPLACEMENT}b{REPLACEMENT}"


@pytest.mark.parametrize("found", [5, 2.5, None, True, "text", [], {}, {"a": [{"b": None}]}])
def test_what_is_harmless_passes(found: Any) -> None:
    assert strip_unstorable(found) == found


@given(found=ANY)
def test_nothing_is_left_that_cannot_be_kept(found: Any) -> None:
    stored_texts = texts(strip_unstorable(found))
    assert all(map(is_storable, stored_texts))
    for text in stored_texts:
        text.encode()
        assert "\x00" not in text


@given(found=st.dictionaries(STORED, st.lists(STORED | st.integers())))
def test_what_can_be_kept_stays_as_it_is(found: dict[str, Any]) -> None:
    assert strip_unstorable(found) == found


def test_a_message_is_said_to_be_about_something_once() -> None:
    assert labeled("web", "it has no image") == "web: it has no image"
    assert labeled("web", "web: it has no image") == "web: it has no image"
    assert labeled("web", "web has no image") == "web has no image"
    assert labeled("web", "web2 has no image") == "web: web2 has no image"
