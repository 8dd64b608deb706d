"""Files with their variables filled in, within bounds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apps.stacks.compose.bounded import MAX_DEPTH, MAX_NODES
from apps.stacks.compose.expanding import Expander
from apps.stacks.compose.lined import Lined, wrong

MAX_RESULT = 1024 * 1024


class Variables:
    """Fills in a loaded file; remembers which variables were missing."""

    def __init__(self, values: Mapping[str, str], field: str) -> None:
        self._expander = Expander(values, field)
        self.missing = self._expander.missing
        self._field = field
        self._nodes = 0
        self._room = MAX_RESULT

    def get(self, name: str) -> str | None:
        """The value of a variable, if it is set."""
        return self._expander.get(name)

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
        found = self._expander.expand(text, line) if "$" in text else text
        self._room -= len(found)
        if self._room < 0:
            raise wrong(self._field, line, "the file with its variables filled in is larger than 1 MB")
        return found
