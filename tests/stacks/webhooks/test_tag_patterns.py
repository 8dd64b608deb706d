"""Patterns of tags: what they mean, what is none, and that none takes long."""

from __future__ import annotations

import fnmatch
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.errors import Invalid
from apps.stacks.webhooks.tag_patterns import MAX_PATTERNS, is_match, parse_tag, parse_tag_patterns


@pytest.mark.parametrize(
    ("pattern", "tag", "expected"),
    [
        ("1.4.2", "1.4.2", True),
        ("1.4.2", "1.4.20", False),
        ("1.*", "1.4.2", True),
        ("1.*", "1", False),
        ("1.*", "11", False),
        ("*", "anything", True),
        ("*-rc?", "2.0-rc1", True),
        ("*-rc?", "2.0-rc10", False),
        ("*-rc?", "2.0-rc", False),
        ("v?.?", "v1.2", True),
        ("v?.?", "v1x2", False),
        ("a*b*c", "aXbYbZc", True),
        ("a*b*c", "aXcYb", False),
        ("**", "x", True),
        ("stable", "Stable", False),
    ],
)
def test_a_pattern_means_the_whole_tag(pattern: str, tag: str, expected: bool):
    assert is_match(pattern, tag) is expected


@given(st.text("ab*?", min_size=1, max_size=8), st.text("ab", max_size=8))
def test_stars_and_question_marks_mean_what_they_do_elsewhere(pattern: str, tag: str):
    assert is_match(pattern, tag) is fnmatch.fnmatchcase(tag, pattern)


def test_no_pattern_keeps_a_worker_busy():
    started = time.process_time()
    for _each in range(20):
        assert not is_match("a*" * 63 + "b", "a" * 128)
    assert time.process_time() - started < 2


def test_patterns_are_cleaned():
    assert parse_tag_patterns(["1.*", " 1.* ", "", "stable"]) == ("1.*", "stable")
    assert parse_tag_patterns(None) == parse_tag_patterns([]) == ()


@pytest.mark.parametrize(
    "sent",
    ["1.*", 5, {"a": 1}, [5], [None], ["(a+)+$"], ["a b"], ["x" * 129], ["ä"], ["x\0"], [str(n) for n in range(11)]],
)
def test_what_is_no_list_of_patterns_is_refused(sent: object):
    with pytest.raises(Invalid) as refused:
        parse_tag_patterns(sent)
    assert refused.value.field == "tagPatterns"
    assert MAX_PATTERNS == 10


@pytest.mark.parametrize("tag", ["1.4.2", "latest", "_x", "A-b.c_d", "x" * 128])
def test_without_patterns_every_tag_is_allowed(tag: str):
    assert parse_tag(tag, ()) == tag


@pytest.mark.parametrize(
    "tag", [None, "", ".x", "-x", "x" * 129, "a/b", "a:b", "a@b", "ä", "a\n", 14, 1.4, True, ["x"]]
)
def test_what_is_no_tag_is_refused(tag: object):
    with pytest.raises(Invalid) as refused:
        parse_tag(tag, ())
    assert refused.value.field == "tag"
