"""One text with its variables filled in, and which of them were missing."""

from __future__ import annotations

import re
from collections.abc import Mapping

from apps.stacks.compose.bounded import MAX_DEPTH
from apps.stacks.compose.dollars import NAME, pieces
from apps.stacks.compose.lined import wrong

_OPERATOR = re.compile(r":?[-?+]")


class Expander:
    """Fills in texts; remembers which variables were missing."""

    def __init__(self, values: Mapping[str, str], field: str) -> None:
        self._values = values
        self._field = field
        self.missing: dict[str, None] = {}

    def get(self, name: str) -> str | None:
        """The value of a variable, if it is set."""
        return None if (value := self._values.get(name)) is None else str(value)

    def expand(self, text: str, line: int, depth: int = 0) -> str:
        """The text filled in; raises `Invalid` with its line."""
        if depth > MAX_DEPTH:
            raise wrong(self._field, line, "variables are nested too deep")
        return "".join(self._filled(kind, part, text, line, depth) for kind, part in pieces(text))

    def _filled(self, kind: str, part: str, text: str, line: int, depth: int) -> str:
        if kind == "bare":
            raise wrong(self._field, line, f"{text[:60]!r}: write $$ for a dollar, ${{NAME}} for a variable")
        if kind == "braces":
            return self._braced(part, line, depth)
        return self._value(part) if kind == "name" else part

    def _braced(self, inside: str, line: int, depth: int) -> str:
        name = NAME.match(inside)
        rest = inside[name.end() :] if name else inside
        operator = _OPERATOR.match(rest)
        if not name or (rest and not operator):
            raise wrong(self._field, line, f"${{{inside[:60]}}} is not a variable")
        if not operator:
            return self._value(name[0])
        return self._chosen(name[0], operator[0], rest[operator.end() :], line, depth)

    def _chosen(self, name: str, operator: str, other: str, line: int, depth: int) -> str:
        value = self.get(name)
        there = bool(value) if operator.startswith(":") else value is not None
        if operator.endswith("+"):
            return self.expand(other, line, depth + 1) if there else ""
        if there:
            return value or ""
        if operator.endswith("?"):
            raise wrong(self._field, line, f"the variable {name} is required{f': {other[:200]}' if other else ''}")
        return self.expand(other, line, depth + 1)

    def _value(self, name: str) -> str:
        value = self.get(name)
        if value is None:
            self.missing[name] = None
        return value or ""
