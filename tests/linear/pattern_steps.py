"""How many steps a backtracking matcher takes: deterministic, and of the same order as Python's own in C.

A small interpreter of what `re._parser` reads: greedy and lazy repetition, alternatives, look-around, classes, anchors.
It backtracks as `re` does, and counts every comparison.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from re import _constants as op  # type: ignore[attr-defined]
from re import _parser  # type: ignore[attr-defined]
from typing import Any

Node = tuple[Any, Any]
Continue = Callable[[int], bool]

_CATEGORIES: dict[Any, Callable[[str], bool]] = {
    op.CATEGORY_DIGIT: str.isdigit,
    op.CATEGORY_NOT_DIGIT: lambda c: not c.isdigit(),
    op.CATEGORY_SPACE: str.isspace,
    op.CATEGORY_NOT_SPACE: lambda c: not c.isspace(),
    op.CATEGORY_WORD: lambda c: c.isalnum() or c == "_",
    op.CATEGORY_NOT_WORD: lambda c: not (c.isalnum() or c == "_"),
}
_SAMPLES = "a0 A.-/:=,;\"'$%{}[]()\n\t_~+@&<>\\!z9é"
MANY = 8  # repetitions beyond this count as "any number": a high bound only delays the quadratic part


GIVE_UP = 40_000  # linear ones take a few thousand


def parse(pattern: str | bytes, flags: int = 0) -> list[Node]:
    """The nodes of a pattern, bytes read as Latin-1."""
    text = pattern.decode("latin-1") if isinstance(pattern, bytes) else pattern
    return list(_parser.parse(text, flags & ~re.UNICODE if isinstance(pattern, bytes) else flags))


class TooManySteps(Exception):
    """The matcher gave up."""


class Matcher:
    """One pattern on one text; `steps` counts."""

    def __init__(self, nodes: Sequence[Node], text: str, flags: int = 0) -> None:
        self.steps = 0
        self._nodes, self._text = nodes, text.lower() if flags & re.IGNORECASE else text
        self._fold = bool(flags & re.IGNORECASE)
        self._dotall = bool(flags & re.DOTALL)
        self._multiline = bool(flags & re.MULTILINE)
        self._groups: dict[int, tuple[int, int]] = {}
        self._end = 0

    def run(self, method: str) -> int:
        """Count what `re` would do: try one start, or each; `sub` and the like go on behind each match."""
        if method in {"match", "fullmatch"}:
            whole = method == "fullmatch"
            self._match(self._nodes, 0, lambda at: at == len(self._text) or not whole)
            return self.steps
        at = 0
        while at <= len(self._text):
            found = self._match(self._nodes, at, self._set_end)
            if found and method == "search":
                break
            at = max(self._end, at + 1) if found else at + 1
        return self.steps

    def _set_end(self, at: int) -> bool:
        self._end = at
        return True

    def _match(self, nodes: Sequence[Node], at: int, then: Continue) -> bool:
        if not nodes:
            return then(at)
        (kind, value), rest = nodes[0], nodes[1:]
        if self.steps > GIVE_UP:
            raise TooManySteps
        if is_single(kind):
            self.steps += 1
            fits = at < len(self._text) and self._fits(kind, value, self._text[at])
            return fits and self._match(rest, at + 1, then)
        handler = getattr(self, f"_{str(kind).lower()}")
        found: bool = handler(value, rest, at, then)
        return found

    def _fits(self, kind: Any, value: Any, char: str) -> bool:
        if kind is op.ANY:
            return self._dotall or char != "\n"
        if kind is op.IN:
            return in_class(value, char) or (self._fold and in_class(value, char.upper()))
        wanted = chr(value).lower() if self._fold else chr(value)
        return (char == wanted) is (kind is op.LITERAL)

    def _max_repeat(self, value: Any, rest: Sequence[Node], at: int, then: Continue) -> bool:
        low, high, body = value
        body = list(body)
        if len(body) == 1 and is_single(body[0][0]):
            return self._repeat_single(low, high, body[0], rest, at, then)
        return self._repeat_group(low, high, body, rest, at, then, lazy=False)

    _possessive_repeat = _max_repeat

    def _min_repeat(self, value: Any, rest: Sequence[Node], at: int, then: Continue) -> bool:
        low, high, body = value
        return self._repeat_group(low, high, list(body), rest, at, then, lazy=True)

    def _repeat_single(self, low: int, high: Any, node: Node, rest: Any, at: int, then: Continue) -> bool:
        end = at
        limit = len(self._text) if high is op.MAXREPEAT else min(len(self._text), at + high)
        while end < limit and self._fits(*node, self._text[end]):
            self.steps += 1
            end += 1
        while end >= at + low:
            self.steps += 1
            if self._match(rest, end, then):
                return True
            end -= 1
        return False

    def _repeat_group(
        self, low: int, high: Any, body: Sequence[Node], rest: Any, at: int, then: Continue, *, lazy: bool
    ) -> bool:
        def again(count: int, start: int) -> bool:
            self.steps += 1
            more = count < (len(self._text) + 1 if high is op.MAXREPEAT else high)

            def go_on() -> bool:
                return more and self._match(
                    body, start, lambda end: (end > start or count < low) and again(count + 1, end)
                )

            def leave() -> bool:
                return count >= low and self._match(rest, start, then)

            return leave() or go_on() if lazy else go_on() or leave()

        return again(0, at)

    def _branch(self, value: Any, rest: Sequence[Node], at: int, then: Continue) -> bool:
        return any(self._match([*each, *rest], at, then) for each in value[1])

    def _subpattern(self, value: Any, rest: Sequence[Node], at: int, then: Continue) -> bool:
        group, _add, _drop, body = value

        def close(end: int) -> bool:
            self._groups[group] = (at, end)
            return self._match(rest, end, then)

        return self._match(list(body), at, close)

    def _atomic_group(self, value: Any, rest: Sequence[Node], at: int, then: Continue) -> bool:
        return self._match([*value, *rest], at, then)

    def _groupref(self, value: Any, rest: Sequence[Node], at: int, then: Continue) -> bool:
        start, end = self._groups.get(value, (0, 0))
        word = self._text[start:end]
        self.steps += len(word)
        return self._text.startswith(word, at) and self._match(rest, at + len(word), then)

    def _assert(self, value: Any, rest: Sequence[Node], at: int, then: Continue) -> bool:
        return self._look(value, at) and self._match(rest, at, then)

    def _assert_not(self, value: Any, rest: Sequence[Node], at: int, then: Continue) -> bool:
        return not self._look(value, at) and self._match(rest, at, then)

    def _look(self, value: Any, at: int) -> bool:
        direction, body = value
        if direction < 0:
            return any(self._match(list(body), start, lambda end: end == at) for start in range(max(0, at - 8), at + 1))
        return self._match(list(body), at, lambda _end: True)

    def _at(self, value: Any, rest: Sequence[Node], at: int, then: Continue) -> bool:
        self.steps += 1
        text = self._text
        is_there = {
            op.AT_BEGINNING: at == 0 or (self._multiline and text[at - 1] == "\n"),
            op.AT_BEGINNING_STRING: at == 0,
            op.AT_END: at == len(text) or text[at:] == "\n" or (self._multiline and text[at] == "\n"),
            op.AT_END_STRING: at == len(text),
        }.get(value)
        if is_there is None:
            edge = _is_word(text, at - 1) != _is_word(text, at)
            is_there = edge if value is op.AT_BOUNDARY else not edge
        return is_there and self._match(rest, at, then)


def _is_word(text: str, at: int) -> bool:
    return 0 <= at < len(text) and (text[at].isalnum() or text[at] == "_")


def is_single(kind: Any) -> bool:
    """Whether a node is one character."""
    return kind in {op.LITERAL, op.NOT_LITERAL, op.ANY, op.IN}


def in_class(items: Any, char: str) -> bool:
    """Whether a character is in a class."""
    negated = items[0][0] is op.NEGATE
    found = any(
        (kind is op.LITERAL and ord(char) == value)
        or (kind is op.RANGE and value[0] <= ord(char) <= value[1])
        or (kind is op.CATEGORY and _CATEGORIES[value](char))
        for kind, value in items
    )
    return found is not negated


def sample(nodes: Sequence[Node], fill: int = 0) -> str:
    """A short text that the nodes match (anchors and look-around aside); `fill` extra rounds of each repetition."""
    return "".join(_sample_node(kind, value, fill) for kind, value in nodes)


def _sample_node(kind: Any, value: Any, fill: int) -> str:
    if kind is op.LITERAL:
        return chr(value)
    if is_single(kind):
        return next((c for c in _SAMPLES if _fits_sample(kind, value, c)), "")
    if kind in {op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT}:
        return sample(list(value[2]), fill) * (value[0] + min(fill, value[1] - value[0] if value[1] < MANY else fill))
    if kind is op.BRANCH:
        return sample(list(value[1][0]), fill)
    if kind is op.SUBPATTERN:
        return sample(list(value[3]), fill)
    return sample(list(value), fill) if kind is op.ATOMIC_GROUP else ""


def _fits_sample(kind: Any, value: Any, char: str) -> bool:
    if kind is op.ANY:
        return char != "\n"
    return char != chr(value) if kind is op.NOT_LITERAL else in_class(value, char)


def attacks(nodes: Sequence[Node]) -> Iterator[tuple[str, str, str]]:
    """Beginning, part to repeat, and end of texts that are hard for the pattern."""
    whole = sample(nodes, 1)
    begins = ["", *_beginnings(nodes)]
    pumps = dict.fromkeys([*_repeated(nodes), whole, whole[:-1], *(_ for _ in begins if _), " ", "a", "0", "\n", "a "])
    for pump in filter(None, pumps):
        for begin in dict.fromkeys(begins):
            for end in ("", "\0", "!", "a"):
                yield begin, pump, end


def _beginnings(nodes: Sequence[Node]) -> Iterator[str]:
    """What must come before each repetition at the top level, and inside its groups."""
    for at, (kind, value) in enumerate(nodes):
        before = sample(nodes[:at], 0)
        if kind in {op.MAX_REPEAT, op.MIN_REPEAT}:
            yield before
        if kind is op.SUBPATTERN:
            yield from (before + each for each in _beginnings(list(value[3])))
        if kind is op.BRANCH:
            yield from (before + each for branch in value[1] for each in _beginnings(list(branch)))


def _repeated(nodes: Sequence[Node]) -> Iterator[str]:
    """What can be repeated: samples of each repetition's body."""
    for kind, value in nodes:
        if kind in {op.MAX_REPEAT, op.MIN_REPEAT}:
            body = list(value[2])
            if value[1] is op.MAXREPEAT or value[1] > MANY:
                yield from {sample(body, 0), sample(body, 1), *_class_samples(body)}
            yield from _repeated(body)
        elif kind is op.SUBPATTERN:
            yield from _repeated(list(value[3]))
        elif kind is op.BRANCH:
            for branch in value[1]:
                yield from _repeated(list(branch))


def _class_samples(body: Sequence[Node]) -> Iterator[str]:
    if len(body) == 1 and is_single(body[0][0]) and body[0][0] is not op.LITERAL:
        yield from [c for c in _SAMPLES if _fits_sample(*body[0], c)][:6]


def worst_growth(pattern: str | bytes, method: str, flags: int = 0, size: int = 40) -> tuple[float, str]:
    """The largest factor by which the steps grow when the repeated part is doubled, and the text that does it."""
    nodes = parse(pattern, flags)
    worst = (0.0, "")
    for begin, pump, end in attacks(nodes):
        count = max(size // len(pump), 8)
        text = f"{begin!r} + {pump!r} * n + {end!r}"
        try:
            few, many = (Matcher(nodes, begin + pump * times + end, flags).run(method) for times in (count, 2 * count))
        except TooManySteps:
            return float("inf"), text
        if many > 30 * count:  # a few steps for each character are no cost, whatever the ratio
            worst = max(worst, (many / few, text))
    return worst
