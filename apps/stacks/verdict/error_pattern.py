"""What a line of a log must hold to count as an error: regular expressions that no line can make slow. Pure.

Python tries the ways to match one after the other, and repetitions without an end can have it try more than there are
atoms: a tenant's pattern would hold up the portal. So only those are taken whose ways can be counted beforehand; the
time for a line grows with its length then, whatever is in it.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from apps.core.errors import Invalid

DEFAULT_PATTERN = (
    r"\blevel=(?:error|fatal|panic)\b|\"level\": ?\"(?:error|fatal|panic)\"|"
    r"\b(?:ERROR|FATAL|CRITICAL|PANIC)\b|^Traceback \(|\bpanic:"
)
MAX_PATTERN = 200
MAX_WAYS = 500  # to match, from one place in a line
MAX_LENGTH = 1000  # of what is matched
MAX_LINE = 1000  # characters of a line that are looked at

_ESCAPES = frozenset("bBdDsSwWtnrfv")
_REPEAT = re.compile(r"\{(\d*)(?:(,)(\d*))?\}")  # as Python reads it: {,3} begins at 0, {} is a text
_SETS = re.compile(r"\[|--|&&|~~|\|\|")  # they are to mean sets one day, as Python warns

Matcher = Callable[[str], bool]


def error_matcher(pattern: str) -> Matcher:
    """Whether a line is an error, by the pattern or by the default; the pattern was checked when it was set."""
    search = re.compile(pattern or DEFAULT_PATTERN).search
    return lambda line: search(line[:MAX_LINE]) is not None


def check_pattern(pattern: object, field: str) -> str:
    """The pattern, if lines may be searched for it. Raises `Invalid`."""
    if not isinstance(pattern, str):
        raise Invalid(field, "InvalidFormat", f"{field} is a text.")
    if len(pattern) > MAX_PATTERN:
        raise Invalid(field, "MaxLengthExceeded", f"{field} has at most {MAX_PATTERN} characters.")
    if not pattern:
        return ""
    try:
        _Counter(pattern).count()
        compiled = re.compile(pattern)
    except _RefusedPattern as refused:
        raise Invalid(field, "InvalidOption", f"{field}: {refused}") from None
    except (re.error, OverflowError, RecursionError) as error:
        raise Invalid(field, "InvalidFormat", f"{field} is not a regular expression: {error}.") from None
    if compiled.search("") is not None:
        raise Invalid(field, "InvalidOption", f"{field} matches an empty line, so that every line would be an error.")
    return pattern


class _RefusedPattern(Exception):
    """Why a pattern is not taken, for a person."""


class _Counter:
    """Walks through a pattern once, and counts in how many ways it may match and how much."""

    def __init__(self, pattern: str) -> None:
        self._text, self._at = pattern.removeprefix("(?i)"), 0

    def count(self) -> None:
        """Raise `_RefusedPattern` where it is too much, or more than counting knows."""
        self._alternatives()
        if self._at < len(self._text):
            raise _RefusedPattern(f"{self._text[self._at :][:10]!r} closes a group that was not opened.")

    def _alternatives(self) -> tuple[int, int]:
        ways, length = self._sequence()
        while self._take("|"):
            more, other = self._sequence()
            ways, length = ways + more, max(length, other)
        return self._limited(ways, length)

    def _sequence(self) -> tuple[int, int]:
        ways, length = 1, 0
        while self._at < len(self._text) and self._text[self._at] not in "|)":
            more, other = self._repeated(*self._atom())
            ways, length = self._limited(ways * more, length + other)
        return ways, length

    def _limited(self, ways: int, length: int) -> tuple[int, int]:
        if ways > MAX_WAYS or length > MAX_LENGTH:
            raise _RefusedPattern("there are too many ways to match it; repeat less, or leave alternatives out.")
        return ways, length

    def _repeated(self, ways: int, length: int) -> tuple[int, int]:
        """What is repeated up to a number that is given."""
        least, most = self._bounds()
        if least == most == 1:
            return ways, length
        total = sum(min(ways, MAX_WAYS + 1) ** times for times in range(least, min(most, MAX_WAYS + 1) + 1))
        return self._limited(total, length * most)

    def _bounds(self) -> tuple[int, int]:
        rest = self._text[self._at :]
        if rest[:1] in {"*", "+"}:
            why = f"{rest[0]!r} repeats without an end; say how often at most, such as {{0,20}}."
            raise _RefusedPattern(why)
        found = _REPEAT.match(rest)
        if found is None or found[0] == "{}":
            found = None
            least, most = (0, 1) if self._take("?") else (1, 1)
        else:
            self._at += found.end()
            if not found[3] and found[2]:
                raise _RefusedPattern(f"{found[0]} repeats without an end; say how often at most.")
            least, most = int(found[1] or 0), int(found[3] or found[1])
        if (found or least == 0) and self._text[self._at :][:1] in {"?", "*", "+", "{"}:
            raise _RefusedPattern("one repetition directly follows another.")
        return least, most

    def _atom(self) -> tuple[int, int]:
        if self._take("("):
            if self._take("?") and not self._take(":"):
                raise _RefusedPattern("of the groups that begin with (? only (?: is possible, and (?i) at the start.")
            found = self._alternatives()
            self._take(")")
            return found
        if self._take("["):
            self._skip_class()
        elif self._take("\\"):
            self._skip_escape()
        else:
            self._at += 1
        return 1, 1

    def _skip_class(self) -> None:
        begin = self._at
        self._take("^")
        self._take("]")  # the first one is a member
        while not self._take("]"):
            if self._at >= len(self._text):
                raise re.error("unterminated character set")  # as Python says it, after a warning about nested sets
            self._at += 2 if self._text[self._at] == "\\" else 1
        if _SETS.search(self._text, begin, self._at - 1):
            raise _RefusedPattern("inside [...] write [, --, &&, ~~ and || with a backslash before each.")

    def _skip_escape(self) -> None:
        letter = self._text[self._at : self._at + 1]
        if letter.isalnum() and letter not in _ESCAPES:
            raise _RefusedPattern(f"\\{letter} is not possible here.")
        self._at += 1

    def _take(self, text: str) -> bool:
        found = self._text.startswith(text, self._at)
        self._at += len(text) if found else 0
        return found
