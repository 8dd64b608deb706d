"""Variables in compose texts: every operator with a variable that is set, empty and missing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.errors import Invalid
from apps.stacks.compose.interpolation import Expander, Variables
from apps.stacks.compose.yaml_loader import LineMap

VALUES: Mapping[str, str] = {"SET": "v", "EMPTY": "", "DOLLAR": "$SET", "_a1": "u", "LONG_NAME": "long"}
# Operator: what it gives when the variable is set, when it is empty, and when it is missing; None: a refusal.
OPERATORS: dict[str, tuple[str | None, str | None, str | None]] = {
    "": ("v", "", ""),
    "-w": ("v", "", "w"),
    ":-w": ("v", "w", "w"),
    "-": ("v", "", ""),
    ":-": ("v", "", ""),
    "+w": ("w", "w", ""),
    ":+w": ("w", "", ""),
    "+": ("", "", ""),
    "?w": ("v", "", None),
    ":?w": ("v", None, None),
    "?": ("v", "", None),
    ":-${SET}": ("v", "v", "v"),
    ":-a-${NO:-b}-c": ("v", "a-b-c", "a-b-c"),
    ":-$$": ("v", "$", "$"),
    ":-a:b": ("v", "a:b", "a:b"),
    ":+${EMPTY:-x}": ("x", "", ""),
}


def filled(text: str, values: Mapping[str, str] = VALUES) -> str:
    return Expander(values, "dockerCompose").expand(text, 3)


@pytest.mark.parametrize(("operator", "expected"), OPERATORS.items(), ids=OPERATORS.keys())
@pytest.mark.parametrize("which", [0, 1, 2], ids=["set", "empty", "missing"])
def test_each_operator_on_a_variable_set_empty_and_missing(
    which: int, operator: str, expected: tuple[str | None, str | None, str | None]
):
    text = f"<${{{('SET', 'EMPTY', 'NO')[which]}{operator}}}>"
    wanted = expected[which]
    if wanted is not None:
        assert filled(text) == f"<{wanted}>"
        return
    with pytest.raises(Invalid, match="is required") as caught:
        filled(text)
    assert caught.value.message.startswith("line 3: ")
    assert ("required: w" in caught.value.message) == operator.endswith("w")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("plain", "plain"),
        ("$SET$SET", "vv"),
        ("$SET.tail", "v.tail"),
        ("$SET-tail", "v-tail"),
        ("$SETtail", ""),
        ("${SET}tail", "vtail"),
        ("$_a1", "u"),
        ("$LONG_NAME", "long"),
        ("$DOLLAR", "$SET"),
        ("$$", "$"),
        ("$$$$", "$$"),
        ("$$SET", "$SET"),
        ("$${SET}", "${SET}"),
        ("$$$SET", "$v"),
        ("é$SET☃", "év☃"),
    ],
)
def test_variables_in_a_text_are_filled_in(text: str, expected: str):
    assert filled(text) == expected


@pytest.mark.parametrize("text", ["$", "a$", "$ a", "$1", "${", "${}", "${1}", "${SET", "${SET!x}", "${ SET }", "$-"])
def test_an_invalid_variable_is_refused_with_its_line(text: str):
    with pytest.raises(Invalid) as caught:
        filled(text)
    assert (caught.value.field, caught.value.message[:8]) == ("dockerCompose", "line 3: ")


def test_only_what_was_asked_for_without_an_answer_is_missing():
    expander = Expander(VALUES, "dockerCompose")
    for text in ("$NO1", "${NO2}", "${NO3:-x}", "${NO4+x}", "$EMPTY", "${NO5:-$NO6}", "$NO1"):
        expander.expand(text, 1)
    assert list(expander.missing) == ["NO1", "NO2", "NO6"]


@given(st.text(alphabet=st.characters(blacklist_characters="$", blacklist_categories=["Cs"])))
def test_a_text_without_dollars_stays_as_it_is(text: str):
    assert filled(text) == text


@given(st.text(alphabet=st.characters(blacklist_categories=["Cs"]), max_size=40))
def test_a_text_whose_dollars_are_doubled_is_read_back(text: str):
    assert filled(text.replace("$", "$$")) == text


@given(st.text(alphabet="$${}:-+?AB ", max_size=30))
def test_no_text_is_worse_than_refused(text: str):
    try:
        assert isinstance(filled(text, {"A": "$B", "B": "{}"}), str)
    except Invalid as problem:
        assert problem.message.startswith("line 3: ")  # noqa: PT017 - only when it is refused


@given(st.text(alphabet=st.characters(blacklist_categories=["Cs"]), max_size=40))
def test_a_value_is_taken_as_it_is(value: str):
    assert filled("${A}|$A|${NO:-$A}", {"A": value}) == f"{value}|{value}|{value}"


def test_defaults_nested_too_deep_are_refused():
    text = "x"
    for _ in range(200):
        text = "${NO:-" + text + "}"
    with pytest.raises(Invalid, match="too deep"):
        filled(text)


def of_map(values: Mapping[Any, object]) -> LineMap:
    """A map of a file, each key on a line of its own."""
    found = LineMap()
    for number, (key, value) in enumerate(values.items(), 1):
        found[key] = value
        found.lines[str(key)] = number
    return found


def lined(**values: object) -> LineMap:
    return of_map(dict(values))


def test_everything_in_a_file_but_its_keys_is_filled_in():
    file = lined(a="$SET", b=["$SET", ["x$SET"]], c=lined(d="${EMPTY:-e}"), f=True, g=None, h=1.5)
    found = Variables(VALUES, "f").fill(file)
    assert found == {"a": "v", "b": ["v", ["xv"]], "c": {"d": "e"}, "f": True, "g": None, "h": 1.5}
    assert (found.line("b"), found["c"].line("d")) == (2, 1)


@pytest.mark.parametrize(("key", "name"), [(1, "1"), (True, "true"), (None, "none"), (1.5, "1.5"), ("$SET", "$SET")])
def test_keys_become_texts_and_are_not_filled_in(key: object, name: str):
    assert dict(Variables(VALUES, "f").fill(of_map({key: "x"}))) == {name: "x"}


@pytest.mark.parametrize("value", [b"x", {1}, object()])
def test_a_value_of_another_kind_is_refused(value: object):
    with pytest.raises(Invalid, match="is not allowed here"):
        Variables(VALUES, "f").fill(lined(a=value))


def test_a_file_that_grows_too_large_is_refused_with_the_line():
    file = lined(a="x", b=["$BIG"] * 200)
    with pytest.raises(Invalid, match="larger than 1 MB") as caught:
        Variables({"BIG": "x" * 10_000}, "f").fill(file)
    assert caught.value.message.startswith("line 2: ")
