"""Answers to questions: filled in, checked by type, bounds and characters, and made where they are passwords."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.catalog.language.answers import MAX_ANSWER, MAX_EXTRA, check_answer, check_answers, is_shown, make_password
from apps.catalog.language.char_class import CharClass
from apps.catalog.language.questions import TYPES, TemplateQuestion


def question(kind: str = "string", **more: Any) -> TemplateQuestion:
    return TemplateQuestion("NAME", "Name", kind, **more)


ACCEPTED: list[tuple[TemplateQuestion, str, str]] = [
    (question(), "  web ", "web"),
    (question("multiline"), "a\r\nb\n", "a\nb\n"),
    (question("boolean"), "true", "true"),
    (question("boolean"), "Off", "false"),
    (question("boolean"), "1", "true"),
    (question("int"), "42", "42"),
    (question("int"), "-7", "-7"),
    (question("int", min=0, max=0), "99", "99"),
    (question("int", min=1, max=0), "99", "99"),
    (question("int", min=-5, max=0), "-5", "-5"),
    (question("int", min=1, max=5), "5", "5"),
    (question("float", min=0.5), "0.5", "0.5"),
    (question("float"), "1e3", "1e3"),
    (question("enum", options=("a", "b")), "b", "b"),
    (question("password"), " pa$$ word ", " pa$$ word "),
    (question("service"), "web/proxy", "web/proxy"),
    (question("certificate"), "shop.example.com", "shop.example.com"),
    (question("date"), "2026-12-31", "2026-12-31"),
    (question(required=False), "", ""),
    (question("int", required=False), " ", ""),
    (question(min_length=2, max_length=3), "abc", "abc"),
    (question(valid_chars="a-z0-9_"), "web_1", "web_1"),
    (question(valid_chars="\\w-"), "web-1", "web-1"),
    (question(invalid_chars="/ "), "web", "web"),
]


@pytest.mark.parametrize(
    ("asked", "answer", "expected"), ACCEPTED, ids=lambda each: getattr(each, "type", str(each)[:20])
)
def test_a_right_answer_is_taken_as_files_need_it(asked: TemplateQuestion, answer: str, expected: str) -> None:
    assert check_answer(asked, answer) == (expected, "")


REFUSED: list[tuple[TemplateQuestion, str, str]] = [
    (question(required=True), " ", "needs an answer"),
    (question(), "a\nb", "single line"),
    (question("boolean"), "maybe", "true or false"),
    (question("int"), "4.5", "whole number"),
    (question("int"), "٣", "whole number"),
    (question("int"), "9" * 30, "whole number"),
    (question("int", min=1, max=5), "0", "at least 1"),
    (question("int", min=1, max=5), "6", "at most 5"),
    (question("int", max=5), "6", "at most 5"),
    (question("int", min=0, max=5), "-1", "at least 0"),
    (question("int", min=-5, max=0), "1", "at most 0"),
    (question("float"), "nan", "a number"),
    (question("float"), "1_0", "a number"),
    (question("float", max=0.5), "0.6", "at most 0.5"),
    (question("enum", options=("a", "b")), "c", "Choose one of a, b"),
    (question("service"), "proxy", "stack and itself"),
    (question("service"), "a/b/c", "stack and itself"),
    (question("certificate"), "a\nb", "single line"),
    (question("date"), "31.12.2026", "2026-12-31"),
    (question("date"), "2026-02-30", "2026-12-31"),
    (question(min_length=3), "ab", "at least 3 characters"),
    (question(max_length=3), "abcd", "at most 3 characters"),
    (question("password", min_length=8), "short", "at least 8 characters"),
    (question(valid_chars="a-z"), "aB", "'B' is not allowed here; allowed are a-z"),
    (question(invalid_chars="/\\s"), "a b", "' ' is not allowed"),
    (question("multiline"), "x" * (MAX_ANSWER + 1), "64 KB"),
    (question(), "a\0b", "64 KB"),
]


@pytest.mark.parametrize(("asked", "answer", "words"), REFUSED, ids=lambda each: getattr(each, "type", str(each)[:20]))
def test_a_wrong_answer_is_refused_in_words(asked: TemplateQuestion, answer: str, words: str) -> None:
    assert words in check_answer(asked, answer)[1]


def test_what_is_not_answered_takes_its_default() -> None:
    asked = [
        TemplateQuestion("a", "A", default="1"),
        TemplateQuestion("b", "B", default="2"),
        TemplateQuestion("c", "C"),
    ]
    found = check_answers(asked, {"b": "9"})
    assert found.values == {"a": "1", "b": "9", "c": ""}
    assert (found.errors, found.generated) == ({}, frozenset())


def test_an_answer_that_was_emptied_does_not_take_its_default() -> None:
    assert check_answers([TemplateQuestion("a", "A", default="1")], {"a": ""}).values == {"a": ""}
    assert check_answers([TemplateQuestion("a", "A", default="1", required=True)], {"a": ""}).errors == {
        "a": "This needs an answer."
    }


def test_errors_are_given_for_all_questions_at_once() -> None:
    found = check_answers([TemplateQuestion("a", "A", "int"), TemplateQuestion("b", "B", required=True)], {"a": "x"})
    assert found.errors == {"a": "This must be a whole number.", "b": "This needs an answer."}


def test_a_password_is_made_where_none_is_given() -> None:
    asked = [
        TemplateQuestion("p", "P", "password", generate=20, required=True),
        TemplateQuestion("q", "Q", "password", generate=20),
    ]
    found = check_answers(asked, {"q": "mine"}, make=lambda length: "x" * length)
    assert found.values == {"p": "x" * 20, "q": "mine"}
    assert found.generated == {"p"}
    assert found.errors == {}


def test_made_passwords_differ_and_need_no_quotes() -> None:
    made = {make_password(24) for _each in range(50)}
    assert len(made) == 50
    assert all(each.isalnum() and each.isascii() and len(each) == 24 for each in made)


def test_a_question_that_is_not_shown_is_not_checked() -> None:
    asked = [
        TemplateQuestion("tls", "TLS", "boolean", default="false"),
        TemplateQuestion("key", "Key", required=True, default="none", show_if={"tls": "true"}),
    ]
    assert check_answers(asked, {"key": ""}) == check_answers(asked, {})
    assert check_answers(asked, {}).values["key"] == "none"
    assert check_answers(asked, {"tls": "yes", "key": ""}).errors == {"key": "This needs an answer."}
    assert is_shown(asked[1], {"tls": "true"})
    assert not is_shown(asked[1], {})


def test_what_no_question_asks_for_is_kept() -> None:
    assert check_answers([TemplateQuestion("a", "A")], {"a": "1", "MORE": "2"}).values == {"MORE": "2", "a": "1"}


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ({"a b": "1"}, "is named with letters"),
        ({"a": "x" * (MAX_ANSWER + 1)}, "64 KB"),
        ({"a": "\0"}, "64 KB"),
        ({f"v{at}": "1" for at in range(MAX_EXTRA + 1)}, "At most 200"),
    ],
)
def test_what_no_question_asks_for_is_bounded(extra: dict[str, str], words: str) -> None:
    found = check_answers([], extra)
    assert len(found.errors) == 1
    assert words in next(iter(found.errors.values()))


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("a-c", "abc", "d-"),
        ("a-cx-z_", "abcxyz_", "dw-"),
        ("-a", "-a", "b"),
        ("a-", "a-", "b"),
        ("\\d\\w", "1a_é", "- "),
        ("\\-\\]", "-]", "a\\"),
        ("\\n\\t", "\n\t", "nt"),
        ("\\", "\\", "a"),
        ("", "", "a"),
        ("z-a", "", "mz"),
    ],
)
def test_a_set_of_characters_is_read_as_in_brackets(text: str, inside: str, outside: str) -> None:
    found = CharClass(text)
    assert [each for each in inside if each not in found] == []
    assert [each for each in outside if each in found] == []


@settings(max_examples=200, deadline=None)
@given(
    st.builds(
        TemplateQuestion,
        variable=st.just("a"),
        label=st.just("A"),
        type=st.sampled_from(TYPES),
        required=st.booleans(),
        min=st.none() | st.floats(-5, 5),
        max=st.none() | st.floats(-5, 5),
        min_length=st.integers(0, 3),
        max_length=st.integers(0, 3),
        valid_chars=st.text(max_size=6),
        invalid_chars=st.text(max_size=6),
    ),
    st.text(max_size=20) | st.from_regex(r"-?[0-9]{1,3}(\.[0-9])?", fullmatch=True),
)
def test_any_answer_is_taken_or_refused_and_a_taken_one_is_taken_again(asked: TemplateQuestion, answer: str) -> None:
    value, error = check_answer(asked, answer)
    if not error:
        assert check_answer(asked, value) == (value, "")
