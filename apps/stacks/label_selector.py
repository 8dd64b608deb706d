"""Selectors of labels as v1 writes them: `a=b, c!=d, e in (x,y), f notin (z), g, !h`. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from apps.core.errors import Invalid

MAX_LENGTH = 4096
EXAMPLE = "tier=web, stage in (test, live), !old"

_KEY = re.compile(r"[^\s,()=!]+")
# A lone `=` in a value, and `==` at its end, are part of many: of other options, of what is encoded as text.
_TWO_OPERATORS = re.compile(r"[^=!](?:=|==|!=)[^=!]*(?:==|!=)\s*[^=\s]")


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition on the label `key`: its value is (`in`) or is not (`notin`) one of `values`, or it `exists`.

    As in Kubernetes, a label that is not there satisfies `notin` (and so `!=`).
    """

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether these labels satisfy it."""
        if self.operator == "exists":
            return self.key in labels
        if self.operator == "absent":
            return self.key not in labels
        is_one_of = self.key in labels and labels[self.key] in self.values
        return is_one_of if self.operator == "in" else not is_one_of


@dataclass(frozen=True, slots=True)
class LabelSelector:
    """Requirements that labels must satisfy all; one without any selects nothing."""

    requirements: tuple[Requirement, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether labels are selected."""
        return bool(self.requirements) and all(each.matches(labels) for each in self.requirements)


def check_selector(text: str, field: str) -> LabelSelector:
    """Read a selector that somebody sends. Raises `Invalid` on `field` as `parse_selector`.

    A second operator is refused here alone: selectors that were stored before that was checked are still read.
    """
    found = parse_selector(text, field)
    for part in _split(text, field) if text.strip() else ():
        if "(" not in part and _TWO_OPERATORS.search(part):
            why = "it has two operators; separate conditions by a comma, or write a value with one in it as in (...)"
            raise _invalid(field, part, why)
    return found


def parse_selector(text: str, field: str = "selector") -> LabelSelector:
    """Read a selector; an empty one selects nothing. Raises `Invalid` on `field`, naming the part that is wrong."""
    if len(text) > MAX_LENGTH:
        raise Invalid(field, "MaxLengthExceeded", f"A selector has at most {MAX_LENGTH} characters.")
    if not text.strip():
        return LabelSelector()
    return LabelSelector(tuple(_parse_requirement(part, field) for part in _split(text, field)))


def _split(text: str, field: str) -> list[str]:
    """The parts between those commas that are not in brackets."""
    parts, begin, is_open = [], 0, False
    for at, letter in enumerate(text):
        if letter in "()":
            if is_open == (letter == "("):
                raise _invalid(field, text[begin:], "its brackets do not match")
            is_open = not is_open
        elif letter == "," and not is_open:
            parts.append(text[begin:at])
            begin = at + 1
    if is_open:
        raise _invalid(field, text[begin:], "its brackets do not match")
    return [*parts, text[begin:]]


def _parse_requirement(part: str, field: str) -> Requirement:
    term = part.strip()
    if term.startswith("!"):
        key = term[1:].strip()
        if not _KEY.fullmatch(key):
            raise _invalid(field, part, "`!` is followed by the name of a label")
        return Requirement(key, "absent")
    found = _KEY.match(term)
    if found is None:
        raise _invalid(field, part, "it does not begin with the name of a label")
    key, rest = found[0], term[found.end() :]
    if not rest:
        return Requirement(key, "exists")
    return Requirement(key, *_parse_condition(key, rest, part, field))


def _parse_condition(key: str, rest: str, part: str, field: str) -> tuple[str, tuple[str, ...]]:
    """The operator and the values of what follows a label's name."""
    stripped = rest.lstrip()
    for sign, operator in (("!=", "notin"), ("==", "in"), ("=", "in")):
        if stripped.startswith(sign):
            return operator, (_parse_value(stripped.removeprefix(sign), part, field),)
    for word in ("in", "notin"):
        # `e in(x)` may be written without the second blank, `ein (x)` is another label.
        if rest != stripped and stripped.startswith(word) and stripped[len(word) :].lstrip().startswith("("):
            return word, _parse_values(stripped[len(word) :].lstrip(), part, field)
    raise _invalid(field, part, f"{key} is followed by no operator: =, !=, in (...) or notin (...)")


def _parse_value(text: str, part: str, field: str) -> str:
    if "(" in text or ")" in text:
        raise _invalid(field, part, "a list of values is written with in (...) or notin (...)")
    return text.strip()


def _parse_values(text: str, part: str, field: str) -> tuple[str, ...]:
    inside, _bracket, after = text[1:].partition(")")
    if after.strip():
        raise _invalid(field, part, "something follows the closing bracket; separate conditions by a comma")
    values = tuple(each.strip() for each in inside.split(","))
    if not all(values):
        raise _invalid(field, part, "a value in the brackets is empty")
    return values


def _invalid(field: str, part: str, reason: str) -> Invalid:
    return Invalid(
        field, "InvalidFormat", f"{part.strip()[:60]!r} is no condition: {reason}. Write it as in {EXAMPLE}."
    )
