"""Interpolation of variables (`$NAME`, `${NAME:-default}`, `$$`) in a loaded file, within limits."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from apps.stacks.compose.yaml_loader import MAX_DEPTH, MAX_NODES, LineMap, error_at_line

VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def split_variables(text: str) -> Iterator[tuple[Literal["text", "name", "braces", "bare"], str]]:
    """Split into `text`, the `name` of a variable, the content of `braces`, and a `bare` dollar (always the last)."""
    at = 0
    while (dollar := text.find("$", at)) >= 0:
        yield "text", text[at:dollar]
        plain = VARIABLE_NAME.match(text, dollar + 1)
        if text.startswith("$$", dollar):
            yield "text", "$"
            at = dollar + 2
        elif plain:
            yield "name", plain[0]
            at = plain.end()
        elif (end := _closing_brace(text, dollar)) is not None:
            yield "braces", text[dollar + 2 : end]
            at = end + 1
        else:
            yield "bare", text[dollar:]
            return
    yield "text", text[at:]


def _closing_brace(text: str, dollar: int) -> int | None:
    """Find the brace that closes the one after the dollar; a default may have braces of its own, as JSON has."""
    if not text.startswith("${", dollar):
        return None
    depth = 0
    for at in range(dollar + 1, len(text)):
        depth += (text[at] == "{") - (text[at] == "}")
        if depth == 0:
            return at
    return None


_OPERATOR = re.compile(r":?[-?+]")


class Expander:
    """Expands variables in texts, and records which were missing, with the line where each is needed first."""

    def __init__(self, values: Mapping[str, str], field: str) -> None:
        self._values = values
        self._field = field
        self.missing: dict[str, int] = {}

    def get(self, name: str) -> str | None:
        """The value of a variable, if it is set."""
        return None if (value := self._values.get(name)) is None else str(value)

    def expand(self, text: str, line: int, depth: int = 0) -> str:
        """Expand the variables of a text; raises `Invalid` with its line."""
        if depth > MAX_DEPTH:
            raise error_at_line(self._field, line, "variables are nested too deep")
        return "".join(self._render(kind, part, text, line, depth) for kind, part in split_variables(text))

    def _render(self, kind: str, part: str, text: str, line: int, depth: int) -> str:
        if kind == "bare":
            raise error_at_line(self._field, line, f"{text[:60]!r}: write $$ for a dollar, ${{NAME}} for a variable")
        if kind == "braces":
            return self._expand_braces(part, line, depth)
        return self._value(part, line) if kind == "name" else part

    def _expand_braces(self, inside: str, line: int, depth: int) -> str:
        name = VARIABLE_NAME.match(inside)
        rest = inside[name.end() :] if name else inside
        operator = _OPERATOR.match(rest)
        if not name or (rest and not operator):
            raise error_at_line(self._field, line, f"${{{inside[:60]}}} is not a variable")
        if not operator:
            return self._value(name[0], line)
        return self._apply_operator(name[0], operator[0], rest[operator.end() :], line, depth)

    def _apply_operator(self, name: str, operator: str, other: str, line: int, depth: int) -> str:
        value = self.get(name)
        is_set = bool(value) if operator.startswith(":") else value is not None
        if operator.endswith("+"):
            return self.expand(other, line, depth + 1) if is_set else ""
        if is_set:
            return value or ""
        if operator.endswith("?"):
            raise error_at_line(
                self._field, line, f"the variable {name} is required{f': {other[:200]}' if other else ''}"
            )
        return self.expand(other, line, depth + 1)

    def _value(self, name: str, line: int) -> str:
        value = self.get(name)
        if value is None:
            self.missing.setdefault(name, line)
        return value or ""


MAX_EXPANDED_SIZE = 1024 * 1024


class Variables:
    """Expands variables in a loaded file, and records which were missing."""

    def __init__(self, values: Mapping[str, str], field: str) -> None:
        self._expander = Expander(values, field)
        self.missing = self._expander.missing
        self._field = field
        self._nodes = 0
        self._bytes_left = MAX_EXPANDED_SIZE

    def get(self, name: str) -> str | None:
        """The value of a variable, if it is set."""
        return self._expander.get(name)

    def fill(self, value: Any, line: int = 1, depth: int = 0) -> Any:
        """Return a copy with every text expanded and every key a text; limited, because aliases are copied too."""
        self._nodes += 1
        if self._nodes > MAX_NODES or depth > MAX_DEPTH:
            raise error_at_line(self._field, line, "the file is too large or too deep")
        if isinstance(value, LineMap):
            return self._fill_map(value, depth)
        if isinstance(value, list):
            return [self.fill(each, line, depth + 1) for each in value]
        if isinstance(value, str):
            return self._fill_text(value, line)
        if value is None or isinstance(value, bool | int | float):
            return value
        raise error_at_line(self._field, line, f"a value of the type {type(value).__name__} is not allowed here")

    def _fill_map(self, value: LineMap, depth: int) -> LineMap:
        found = LineMap()
        for key, each in value.items():
            name = key if isinstance(key, str) else str(key).lower()
            found.lines[name] = value.line(str(key))
            found[name] = self.fill(each, found.lines[name], depth + 1)
        return found

    def _fill_text(self, text: str, line: int) -> str:
        found = self._expander.expand(text, line) if "$" in text else text
        self._bytes_left -= len(found)
        if self._bytes_left < 0:
            raise error_at_line(self._field, line, "the file with its variables filled in is larger than 1 MB")
        return found
