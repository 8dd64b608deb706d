"""Answers to the questions of a version: filled in with what the template suggests, and checked; pure."""

from __future__ import annotations

import math
import re
import secrets
import string
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date

from apps.catalog.language.char_class import CharClass
from apps.catalog.language.questions import TemplateQuestion
from apps.core.plurals import counted

MAX_ANSWER = 64 * 1024
"""Characters of an answer."""
MAX_EXTRA = 200
"""Answers that no question asks for."""
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,127}")
_TRUE, _FALSE = frozenset({"true", "yes", "on", "1"}), frozenset({"false", "no", "off", "0"})
_ALPHABET = string.ascii_letters + string.digits


def make_password(length: int) -> str:
    """A random password of letters and digits: every file and every program takes those as they are."""
    return "".join(secrets.choice(_ALPHABET) for _each in range(length))


@dataclass(frozen=True, slots=True)
class CheckedAnswers:
    """The answer to each question as a text, by its variable, or what is wrong with some of them.

    `generated` are the variables whose passwords were made here: they differ the next time.
    """

    values: dict[str, str] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    generated: frozenset[str] = frozenset()


def check_answers(
    questions: Iterable[TemplateQuestion], given: Mapping[str, str], *, make: Callable[[int], str] = make_password
) -> CheckedAnswers:
    """Check what was answered. A question without an answer takes its default, one that is hidden its default as well.

    Answers to what is not asked are kept: files may have variables that no question is about.
    """
    asked = tuple(questions)
    values, errors, generated = dict[str, str](), dict[str, str](), set[str]()
    for question in asked:
        answer = str(given.get(question.variable, question.default))
        if not is_shown(question, values):
            values[question.variable] = question.default
            continue
        if not answer and question.generate:
            answer = make(question.generate)
            generated.add(question.variable)
        answer, error = check_answer(question, answer)
        values[question.variable] = answer
        if error:
            errors[question.variable] = error
    extra = {name: value for name, value in given.items() if name not in values}
    errors |= _check_extra(extra)
    return CheckedAnswers({**extra, **values}, errors, frozenset(generated))


def is_shown(question: TemplateQuestion, values: Mapping[str, str]) -> bool:
    """Whether the question is asked, given the answers before it."""
    return all(values.get(name, "") == wanted for name, wanted in question.show_if.items())


def _check_extra(extra: Mapping[str, str]) -> dict[str, str]:
    if len(extra) > MAX_EXTRA:
        return {sorted(extra)[MAX_EXTRA]: f"At most {MAX_EXTRA} variables may be set that no question asks for."}
    found = {}
    for name, value in extra.items():
        if not _NAME.fullmatch(name):
            found[name[:128]] = "A variable is named with letters, digits, dots, dashes and underscores."
        elif len(str(value)) > MAX_ANSWER or "\0" in str(value):
            found[name] = f"A value has up to {MAX_ANSWER // 1024} KB of text."
    return found


def check_answer(question: TemplateQuestion, answer: str) -> tuple[str, str]:
    """The answer as files take it, and what is wrong with it (nothing: an empty text)."""
    if len(answer) > MAX_ANSWER or "\0" in answer:
        return "", f"An answer has up to {MAX_ANSWER // 1024} KB of text."
    answer = answer if question.type in {"multiline", "password"} else answer.strip()
    if not answer:
        return "", "This needs an answer." if question.required else ""
    answer, error = _CHECKS.get(question.type, _check_line)(question, answer)
    return answer, error or _check_length(question, answer) or _check_characters(question, answer)


def _check_line(_question: TemplateQuestion, answer: str) -> tuple[str, str]:
    is_line = "\n" not in answer and "\r" not in answer
    return answer, "" if is_line else "This is a single line."


def _check_multiline(_question: TemplateQuestion, answer: str) -> tuple[str, str]:
    return answer.replace("\r\n", "\n"), ""


def _check_boolean(_question: TemplateQuestion, answer: str) -> tuple[str, str]:
    if answer.lower() in _TRUE | _FALSE:
        return ("true" if answer.lower() in _TRUE else "false"), ""
    return answer, "Answer true or false."


def _check_int(question: TemplateQuestion, answer: str) -> tuple[str, str]:
    if not re.fullmatch(r"[-+]?\d{1,18}", answer, re.ASCII):
        return answer, "This must be a whole number."
    return answer, _check_range(question, int(answer))


def _check_float(question: TemplateQuestion, answer: str) -> tuple[str, str]:
    try:
        number = float(answer) if len(answer) <= 40 and "_" not in answer else math.nan
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        return answer, "This must be a number."
    return answer, _check_range(question, number)


def _check_range(question: TemplateQuestion, number: float) -> str:
    low, high = question.min, question.max
    if high == 0 and (low or 0) >= 0:  # Rancher writes 0 for a bound that is not there
        high = None
    if low is not None and number < low and (low or high is not None):
        return f"This must be at least {low:g}."
    if high is not None and number > high:
        return f"This must be at most {high:g}."
    return ""


def _check_enum(question: TemplateQuestion, answer: str) -> tuple[str, str]:
    if answer in question.options:
        return answer, ""
    return answer, f"Choose one of {', '.join(each[:60] for each in question.options[:20])}."


def _check_service(_question: TemplateQuestion, answer: str) -> tuple[str, str]:
    stack, slash, service = answer.partition("/")
    is_name = bool(stack and slash and service) and "/" not in service
    return answer, "" if is_name else "A service is named by its stack and itself, as in web/proxy."


def _check_date(_question: TemplateQuestion, answer: str) -> tuple[str, str]:
    try:
        return date.fromisoformat(answer).isoformat(), ""
    except ValueError:
        return answer, "A date is written as in 2026-12-31."


_CHECKS: dict[str, Callable[[TemplateQuestion, str], tuple[str, str]]] = {
    "multiline": _check_multiline,
    "boolean": _check_boolean,
    "int": _check_int,
    "float": _check_float,
    "enum": _check_enum,
    "service": _check_service,
    "date": _check_date,
}


def _check_length(question: TemplateQuestion, answer: str) -> str:
    if question.min_length and len(answer) < question.min_length:
        return f"This must have at least {counted(question.min_length, 'character')}."
    if question.max_length and len(answer) > question.max_length:
        return f"This must have at most {counted(question.max_length, 'character')}."
    return ""


def _check_characters(question: TemplateQuestion, answer: str) -> str:
    allowed = CharClass(question.valid_chars)
    forbidden = CharClass(question.invalid_chars)
    characters = dict.fromkeys(answer)
    if question.valid_chars and (bad := next((each for each in characters if each not in allowed), "")):
        return f"{bad!r} is not allowed here; allowed are {question.valid_chars[:60]}."
    bad = next((each for each in characters if each in forbidden), "")
    return f"{bad!r} is not allowed here." if bad else ""
