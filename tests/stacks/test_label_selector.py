"""Selectors of labels: what they select, what is refused, and that long ones take no longer than their length."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.errors import Invalid
from apps.stacks.label_selector import MAX_LENGTH, check_selector, parse_selector

LABELS = {"tier": "web", "stage": "live", "note": "a b=c", "on": ""}
SELECTED = [
    "tier=web",
    "tier==web",
    " tier = web ",
    "tier!=db",
    "missing!=x",
    "stage in (test, live)",
    "stage in(live)",
    "stage notin (test,dev)",
    "missing notin (a)",
    "tier",
    "!missing",
    "! missing",
    "note=a b=c",
    "on=",
    "tier=web, stage in (live,test), !old, on",
]
NOT_SELECTED = [
    "",
    "  ",
    "tier=db",
    "tier!=web",
    "missing=x",
    "missing",
    "!tier",
    "stage in (test)",
    "missing in (a)",
    "stage notin (live)",
    "tier=web,stage=test",
    "TIER=web",
]
REFUSED = [
    ",",
    "a=b,",
    ",a=b",
    "a=b,,c",
    "=b",
    "!",
    "!a=b",
    "a b",
    "a in",
    "a in x",
    "a in ()",
    "a in (x",
    "a in x)",
    "a in (x,)",
    "a in ((x))",
    "a in (x) y",
    "a notin x",
    "ain (x)",
    "a=(b)",
    "a > 1",
    "(a)",
    "a b=c",
]


@pytest.mark.parametrize("text", SELECTED)
def test_labels_are_selected(text: str):
    assert parse_selector(text).matches(LABELS)


@pytest.mark.parametrize("text", NOT_SELECTED)
def test_other_labels_are_not(text: str):
    assert not parse_selector(text).matches(LABELS)


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_no_selector_is_refused_with_an_example(text: str):
    with pytest.raises(Invalid, match="tier=web") as caught:
        parse_selector(text, "selectorLink")
    assert (caught.value.field, caught.value.code) == ("selectorLink", "InvalidFormat")


@pytest.mark.parametrize("text", ["a==b==c", "a=b!=c", "a!=b==c", "a===b", "a = b == c", "tier=web, a==b==c"])
def test_a_second_operator_is_refused_where_it_is_sent_and_read_where_it_is_stored(text: str):
    with pytest.raises(Invalid, match="two operators; separate conditions by a comma") as caught:
        check_selector(text, "selectorContainer")
    assert (caught.value.field, caught.value.code) == ("selectorContainer", "InvalidFormat")
    assert parse_selector(text).requirements


@pytest.mark.parametrize(
    "text", ["a=b=c", "a=YWI==", "a==YWI==", "a in (b==c)", "a=b, c==d", "a!=b,c!=d", *SELECTED, ""]
)
def test_what_has_one_operator_in_each_condition_is_taken(text: str):
    assert check_selector(text, "selectorLink") == parse_selector(text)


def test_a_selector_has_a_limit():
    with pytest.raises(Invalid) as caught:
        parse_selector("a" * (MAX_LENGTH + 1))
    assert caught.value.code == "MaxLengthExceeded"


@given(st.text(alphabet="ab=!,() inot", max_size=60), st.dictionaries(st.sampled_from("ab"), st.sampled_from("ab")))
def test_any_text_is_read_or_refused(text: str, labels: dict[str, str]):
    with contextlib.suppress(Invalid):
        assert parse_selector(text).matches(labels) in {True, False}


_WORDS = st.text(alphabet="abc.-/_", min_size=1, max_size=8).filter(lambda word: word not in {"in", "notin"})


@given(_WORDS, st.lists(_WORDS, min_size=1, max_size=3), st.dictionaries(_WORDS, _WORDS, max_size=3))
def test_a_set_and_its_opposite_share_all_labels_between_them(key: str, values: list[str], labels: dict[str, str]):
    inside = parse_selector(f"{key} in ({', '.join(values)})")
    outside = parse_selector(f"{key} notin ({','.join(values)})")
    assert inside.matches(labels) == (labels.get(key) in values)
    assert inside.matches(labels) != outside.matches(labels)
