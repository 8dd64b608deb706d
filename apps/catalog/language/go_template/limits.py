"""How much a template may do: it is the text of a person the portal does not know."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from apps.catalog.language.go_template.errors import FunctionError

MAX_SOURCE = 256 * 1024
"""Characters of a template."""
MAX_TEXT = 1024 * 1024
"""Characters of what comes of it, and of every text on the way."""
MAX_WORK = 500_000
"""Units of work: a node, an argument, an element of a list, or 32 characters of a text."""
MAX_VARIABLES = 200
"""Variables that are known at one place."""
MAX_DEPTH = 60
"""Blocks, templates and parentheses within each other."""
MAX_ELEMENTS = 10_000
"""Elements of a list or a map that a function makes."""
_CHARACTERS_PER_UNIT = 32


class Budget:
    """Counts the work that is left; `spend` raises `FunctionError` once it is used up."""

    def __init__(self) -> None:
        self._left = MAX_WORK

    def spend(self, units: int = 1) -> None:
        """Use up some of it."""
        self._left -= units
        if self._left < 0:
            raise FunctionError("the template takes too many steps")

    def spend_on(self, values: Iterable[Any]) -> None:
        """Use up what it takes to walk through values, with everything inside them."""
        waiting = list(values)
        while waiting:
            value = waiting.pop()
            self.spend(1 + (len(value) // _CHARACTERS_PER_UNIT if isinstance(value, str) else 0))
            if isinstance(value, list):
                self.spend(len(value))
                waiting.extend(value)
            elif isinstance(value, Mapping):
                self.spend(len(value))
                waiting.extend(value.values())


def require_short(length: int) -> None:
    """Refuse a text before it is made. Raises `FunctionError`."""
    if length > MAX_TEXT:
        raise FunctionError("the text is larger than 1 MB")


def require_few(count: int) -> None:
    """Refuse a list before it is made. Raises `FunctionError`."""
    if count > MAX_ELEMENTS:
        raise FunctionError(f"a list has at most {MAX_ELEMENTS} elements")
