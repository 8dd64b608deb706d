"""Which patterns are taken for error lines, and that none of them can be made slow."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from apps.core.errors import Invalid
from apps.stacks.verdict.error_pattern import DEFAULT_PATTERN, MAX_LINE, check_pattern, error_matcher

TAKEN = [
    "ERROR",
    "(?i)error|fail(?:ed|ure)",
    r"^\[(?:error|crit)\]",
    r"HTTP/1\.[01]\" 5\d{2}\b",
    r"status=5\d\d",
    r"[^]a-z]{1,3}E\d{4,6}",
    r"took \d{4,}"[:-1] + "8}",
    r"retry.{0,40}failed",
    r"\$\{x\}",
    "a{2}b?",
    "a{,3}b{x}{}",
]
REFUSED = {
    "no end": (".*", "InvalidOption"),
    "one at least": ("ERROR.+x", "InvalidOption"),
    "an open number": (r"\d{3,}", "InvalidOption"),
    "an end, but no beginning": ("(?:a{,40}){,40}$", "InvalidOption"),
    "neither": ("a{,}b", "InvalidOption"),
    "leading zeros": ("(?:a{0000000,0000040}){00000,00000040}b", "InvalidOption"),
    "the classic": ("(a+)+$", "InvalidOption"),
    "the classic with numbers": ("(a{0,20}){0,20}$", "InvalidOption"),
    "many that may be there": ("a?" * 30 + "a" * 30, "InvalidOption"),
    "nested alternatives": ("((a|b)|(a|b)){1,20}", "InvalidOption"),
    "very long": ("(?:a{900}){3}", "InvalidOption"),
    "a reference back": (r"(a)\1", "InvalidOption"),
    "a look ahead": ("(?=ERROR)x", "InvalidOption"),
    "a name": ("(?P<x>ERROR)", "InvalidOption"),
    "not greedy": ("a??b", "InvalidOption"),
    "an empty one": ("a?", "InvalidOption"),
    "any place": (r"\b|x|$", "InvalidOption"),
    "sets of the future": ("[[a]", "InvalidOption"),
    "open": ("(ERROR", "InvalidFormat"),
    "closed": ("ERROR)", "InvalidOption"),
    "open class": ("[a-", "InvalidFormat"),
    "an unknown escape": (r"\q", "InvalidOption"),
    "long": ("x" * 201, "MaxLengthExceeded"),
    "no text": (17, "InvalidFormat"),
}


@pytest.mark.parametrize("pattern", TAKEN)
def test_patterns_that_can_be_counted_are_taken(pattern: str) -> None:
    assert check_pattern(pattern, "errorPattern") == pattern


@pytest.mark.parametrize("case", REFUSED)
def test_others_are_refused_with_a_reason(case: str) -> None:
    pattern, code = REFUSED[case]
    with pytest.raises(Invalid) as refused:
        check_pattern(pattern, "errorPattern")
    assert (refused.value.field, refused.value.code) == ("errorPattern", code)


def test_without_a_pattern_there_is_the_default_which_would_be_taken() -> None:
    assert check_pattern("", "errorPattern") == ""
    assert check_pattern(DEFAULT_PATTERN, "errorPattern")


ERRORS = [
    'time="2026-01-31T12:00:00Z" level=error msg="no route"',
    '{"level":"error","msg":"x"}',
    '{"level": "fatal"}',
    "2026-01-31 12:00:00 ERROR [main] no route",
    "Traceback (most recent call last):",
    "panic: runtime error: index out of range",
]
OTHERS = [
    "level=info msg=started",
    "GET /error HTTP/1.1 200",
    "0 errors found",
    "TERRORS",
    "  File Traceback (not at the start",
    "",
]


def test_the_default_knows_errors_from_what_speaks_of_them() -> None:
    matches = error_matcher("")
    assert [line for line in ERRORS if not matches(line)] == []
    assert [line for line in OTHERS if matches(line)] == []


def test_only_the_beginning_of_a_line_is_looked_at() -> None:
    assert not error_matcher("")("x" * MAX_LINE + " ERROR")


@given(st.text("ab|()?{}123,[]^$.\\", max_size=14))
@example("[[")
@example("[\\")
def test_whatever_is_taken_compiles_and_has_its_ways_counted(pattern: str) -> None:
    try:
        taken = check_pattern(pattern, "p")
    except Invalid:
        return
    assert re.compile(taken)
    error_matcher(taken)("ab" * MAX_LINE)
    assert not re.search(r"(?<!\\)[*+]", re.sub(r"\[.*?\]", "", taken))
