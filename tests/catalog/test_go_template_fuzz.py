"""Whatever text comes in as a Go template: it renders or is refused with a place, in bounded time."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from apps.catalog.language.go_template import TemplateError, render
from apps.catalog.language.go_template.functions import FUNCTIONS, UNAVAILABLE
from apps.catalog.language.go_template.limits import MAX_TEXT

VALUES = {"Values": {"a": "1", "b": "x y", "c": ""}, "list": [1, "two", None, 3.5, True], "map": {"k": {"deep": [1]}}}

LEAVES = st.sampled_from([
    ".", ".Values.a", ".Values.b", ".gone", ".list", ".map", ".map.k.deep", "$", "nil", "true", "0", "-1", "3", "1.5",
    "9223372036854775807", '""', '"%d %s %5.2f %*d"', '"a,b"', "`raw`", "'c'", "$x", "1e300",
])  # fmt: skip
CALLS = st.recursive(
    LEAVES,
    lambda inner: st.builds(
        lambda name, arguments: f"({' '.join([name, *arguments])})",
        st.sampled_from(sorted([*FUNCTIONS, "now", "unknown"])),
        st.lists(inner, max_size=3),
    ),
    max_leaves=8,
)
ACTIONS = st.one_of(
    CALLS.map(lambda call: f"{{{{{call}}}}}"),
    CALLS.map(lambda call: f"{{{{- $x := {call} -}}}}"),
    st.tuples(CALLS, st.sampled_from(sorted(FUNCTIONS))).map(lambda pair: f"{{{{{pair[0]} | {pair[1]}}}}}"),
    st.text(max_size=5),
)
BLOCKS = st.recursive(
    ACTIONS,
    lambda inner: st.builds(
        lambda kind, call, body, otherwise: (
            f"{{{{{kind} {call}}}}}{''.join(body)}{{{{else}}}}{''.join(otherwise)}{{{{end}}}}"
        ),
        st.sampled_from(["if", "with", "range", "range $x :=", "range $i, $x :="]),
        CALLS,
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=2),
    ),
    max_leaves=6,
)
PIECES = st.sampled_from([
    "{{", "}}", "{{-", "-}}", "{{ ", " ", "-", "|", "(", ")", ":=", "=", ",", ".", "$", "$x", ".Values.a", "if", "else",
    "end", "range", "with", "define", "block", "template", "break", "continue", '"', "`", "'", "\\", "/*", "*/", "1",
    "0x", "printf", "nil", "\n", "é", "\ud800", "\0",
])  # fmt: skip


def outcome(template: str) -> str | TemplateError:
    try:
        return render(template, VALUES)
    except TemplateError as refusal:
        return refusal


def check(template: str) -> None:
    found = outcome(template)
    if isinstance(found, str):
        assert len(found) <= MAX_TEXT
    else:
        assert found.reason
        assert 1 <= found.line <= template.count("\n") + 1
        assert found.column >= 1


@settings(max_examples=150, deadline=None)
@given(st.lists(BLOCKS, max_size=4).map(lambda parts: "{{$x := 1}}" + "".join(parts)))
def test_templates_of_all_functions_render_or_are_refused(template: str) -> None:
    check(template)


@settings(max_examples=200, deadline=None)
@given(st.lists(PIECES, max_size=14).map("".join))
def test_pieces_of_the_language_in_any_order_render_or_are_refused(template: str) -> None:
    check(template)


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet=st.characters(exclude_characters="{")))
def test_a_text_without_an_action_stays_what_it_is(text: str) -> None:
    assert render(text, VALUES) == text


def test_no_function_is_both_available_and_not() -> None:
    assert not UNAVAILABLE & FUNCTIONS.keys()
