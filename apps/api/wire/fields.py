"""The fields of a v1 type: written as a table of words, read into values that schemas, input and output share."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from apps.core.errors import Invalid
from apps.core.fields import Check, boolean, integer, many, map_text, mapping, option, plain_text, text

LONGEST = 1024 * 1024
DEEPEST = 64

_STRING = ["eq", "ne", "prefix", "like", "notlike", "null", "notnull"]
_NUMBER = ["eq", "ne", "lt", "lte", "gt", "gte", "null", "notnull"]
_OTHER = ["eq", "ne", "null", "notnull"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field: its v1 type, who may write it when (`c` on create, `u` on update), and where its value comes from.

    `source` is a path of attributes (`stack.name`) and, with `__` for dots, the column that filters and sorts use;
    `low` and `high` bound a number, or the length of a text; `once` ones are shown by the answer that made the thing;
    `admin` ones exist for administrators only.
    """

    name: str
    type: str
    letters: str = "r"
    source: str = ""
    default: Any = None
    options: tuple[str, ...] = ()
    low: int | None = None
    high: int | None = None
    required: bool = False
    nullable: bool = True
    once: bool = False
    admin: bool = False

    @property
    def inner(self) -> str:
        """The type inside `array[...]`, `map[...]` or `reference[...]`."""
        found = re.fullmatch(r"\w+\[(.*)\]", self.type)
        return found[1] if found else ""

    @property
    def modifiers(self) -> list[str]:
        """The filter modifiers of this type; none for what no column holds."""
        if not self.source:
            return []
        if self.type in {"int", "float", "date"}:
            return _NUMBER
        return _STRING if self.type == "string" else _OTHER

    def schema(self, *, writable: str) -> dict[str, Any]:
        """The field as v1 schemas show it, to a role that may write on the methods `writable`."""
        bounds = ("minLength", "maxLength") if self.type in {"string", "password"} else ("min", "max")
        return {
            "type": self.type,
            "create": "c" in self.letters and "c" in writable,
            "update": "u" in self.letters and "u" in writable,
            "nullable": self.nullable,
            "required": self.required,
            "default": self.default,
            "options": list(self.options) or None,
            "min": None,
            "max": None,
            "minLength": None,
            "maxLength": None,
            bounds[0]: self.low,
            bounds[1]: self.high,
            "readOnCreateOnly": self.once,
            "unique": False,
            "validChars": None,
            "invalidChars": None,
            "description": None,
        }

    @property
    def check(self) -> Check:
        """What turns a value from outside into one that services take."""
        if self.options and self.type == "enum":
            return option(*self.options)
        if self.type in {"string", "password"}:
            return text(low=self.low or 0, high=self.high or LONGEST)
        if self.type == "int":
            return (
                integer(*(each for each in (self.low, self.high) if each is not None)) if self.low is not None else _INT
            )
        return _check(self.type)


_INT = integer()
_TEXT = text(high=LONGEST)


def _check(kind: str) -> Check:
    """The check of a bare v1 type."""
    known: dict[str, Check] = {"int": _INT, "boolean": boolean, "json": any_json, "float": any_json}
    if kind in known:
        return known[kind]
    if kind in {"string", "password", "enum", "date", "blob"} or kind.startswith("reference["):
        return _TEXT
    if kind.startswith("array["):
        return many(_check(kind[6:-1]))
    if kind.startswith("map["):
        inner = kind[4:-1]
        return mapping(map_text() if inner == "string" else _check(inner))
    return an_object


def an_object(name: str, value: Any) -> Any:
    """A nested value of another v1 type; the service that takes it looks inside."""
    if not isinstance(value, Mapping):
        raise Invalid(name, "InvalidFormat", f"{name} must be an object.")
    return any_json(name, value)


def any_json(name: str, value: Any, depth: int = 0) -> Any:
    """Any JSON that can be stored: texts without NUL, not nested beyond measure."""
    if depth > DEEPEST:
        raise Invalid(name, "MaxLimitExceeded", f"{name} is nested too deeply.")
    if isinstance(value, Mapping):
        return {plain_text(name, key): any_json(name, each, depth + 1) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [any_json(name, each, depth + 1) for each in value]
    return plain_text(name, value) if isinstance(value, str) else value


def table(rows: str) -> tuple[Field, ...]:
    """Fields written one to a line: name, type, letters, then marks in any order.

    `*` required, `~` never null, `!` shown once, `^` for admins, `=x` default (JSON, else a text), `<path` source,
    `:a|b` options, `1..9` bounds.
    """
    return tuple(_row(line.split()) for line in rows.splitlines() if line.strip())


def _row(words: list[str]) -> Field:
    name, kind, letters, *marks = words
    found: dict[str, Any] = {"name": name, "type": kind, "letters": letters}
    for mark in marks:
        found.update(_mark(mark))
    return Field(**found)


def _mark(mark: str) -> dict[str, Any]:
    plain = {"*": {"required": True}, "~": {"nullable": False}, "!": {"once": True}, "^": {"admin": True}}
    if mark in plain:
        return plain[mark]
    kinds = {"<": "source", ":": "options", "=": "default"}
    if mark[0] in kinds:
        turns: dict[str, Callable[[str], Any]] = {"<": str, ":": lambda word: tuple(word.split("|")), "=": _default}
        return {kinds[mark[0]]: turns[mark[0]](mark[1:])}
    low, _dots, high = mark.partition("..")
    return {"low": int(low), "high": int(high) if high else None}


def _default(value: str) -> Any:
    try:
        return json.loads(value)
    except ValueError:
        return value
