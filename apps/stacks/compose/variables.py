"""Variables in compose files: `$NAME`, `${NAME}`, with `:-`, `-`, `:?`, `?`, `:+` and `+`, and `$$` for a dollar."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from apps.stacks.compose.loading import MAX_DEPTH, MAX_NODES, Lined, wrong

MAX_RESULT = 1024 * 1024
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OPERATOR = re.compile(r":?[-?+]")


class Variables:
    """Fills in a loaded file; remembers which variables were missing."""

    def __init__(self, values: Mapping[str, str], field: str) -> None:
        self._values = values
        self._field = field
        self._nodes = 0
        self._room = MAX_RESULT
        self.missing: dict[str, None] = {}

    def get(self, name: str) -> str | None:
        """The value of a variable, if it is set."""
        return None if (value := self._values.get(name)) is None else str(value)

    def fill(self, value: Any, line: int = 1, depth: int = 0) -> Any:
        """A copy with every text filled in; keys become texts. Aliases are copied, so that is bounded as well."""
        self._nodes += 1
        if self._nodes > MAX_NODES or depth > MAX_DEPTH:
            raise wrong(self._field, line, "the file is too large or too deep")
        if isinstance(value, Lined):
            return self._fill_map(value, depth)
        if isinstance(value, list):
            return [self.fill(each, line, depth + 1) for each in value]
        if isinstance(value, str):
            return self._fill_text(value, line)
        if value is None or isinstance(value, bool | int | float):
            return value
        raise wrong(self._field, line, f"a value of the type {type(value).__name__} has no place here")

    def _fill_map(self, value: Lined, depth: int) -> Lined:
        found = Lined()
        for key, each in value.items():
            name = key if isinstance(key, str) else str(key).lower()
            found.lines[name] = value.line(str(key))
            found[name] = self.fill(each, found.lines[name], depth + 1)
        return found

    def _fill_text(self, text: str, line: int) -> str:
        found = self._expand(text, line, 0) if "$" in text else text
        self._room -= len(found)
        if self._room < 0:
            raise wrong(self._field, line, "the file with its variables filled in is larger than 1 MB")
        return found

    def _expand(self, text: str, line: int, depth: int) -> str:
        if depth > MAX_DEPTH:
            raise wrong(self._field, line, "variables are nested too deep")
        parts, at = [], 0
        while (dollar := text.find("$", at)) >= 0:
            parts.append(text[at:dollar])
            plain = _NAME.match(text, dollar + 1)
            if text.startswith("$$", dollar):
                parts.append("$")
                at = dollar + 2
            elif plain:
                parts.append(self._value(plain[0]))
                at = plain.end()
            else:
                end = _closing(text, dollar)
                if end is None:
                    raise wrong(self._field, line, f"{text[:60]!r}: write $$ for a dollar, ${{NAME}} for a variable")
                parts.append(self._braced(text[dollar + 2 : end], line, depth))
                at = end + 1
        return "".join([*parts, text[at:]])

    def _braced(self, inside: str, line: int, depth: int) -> str:
        name = _NAME.match(inside)
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
            return self._expand(other, line, depth + 1) if there else ""
        if there:
            return value or ""
        if operator.endswith("?"):
            raise wrong(self._field, line, f"the variable {name} is required{f': {other[:200]}' if other else ''}")
        return self._expand(other, line, depth + 1)

    def _value(self, name: str) -> str:
        value = self.get(name)
        if value is None:
            self.missing[name] = None
        return value or ""


def _closing(text: str, dollar: int) -> int | None:
    """Where the brace that opens after the dollar closes."""
    if not text.startswith("${", dollar):
        return None
    depth = 0
    for at in range(dollar + 1, len(text)):
        depth += text.startswith("${", at - 1) - (text[at] == "}")
        if depth == 0:
            return at
    return None
