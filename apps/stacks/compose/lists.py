"""Lists that may be texts or maps in compose files."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

MAX_COMMAND = 64 * 1024


def words(value: Any) -> Any:
    """A command: a text is split as a shell would, a list is taken as it is."""
    if isinstance(value, str) and len(value) > MAX_COMMAND:
        raise ValueError(f"a command has at most {MAX_COMMAND} characters")
    return shlex.split(value) if isinstance(value, str) else value


def listed(value: Any) -> list[Any]:
    """A list, or one text."""
    if isinstance(value, list):
        return value
    if isinstance(value, str | int):
        return [value]
    raise ValueError("write a list")


def pairs(value: Any, separator: str = "=") -> dict[str, Any]:
    """A map, or a list of `name=value`; None where a name has no value."""
    if isinstance(value, Mapping):
        return dict(value)
    found = {}
    for each in listed(value):
        name, equals, rest = str(each).partition(separator)
        found[name] = rest if equals else None
    return found
