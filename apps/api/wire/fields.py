"""The fields of a v1 type: parsed from a table of words, and shared by schemas, validation and serialization."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from apps.core.errors import Invalid
from apps.core.fields import (
    Check,
    boolean,
    integer,
    list_of,
    map_text,
    mapping,
    option,
    plain_text,
    text,
)

# Compose files travel in string fields; nesting is bounded so that no body exhausts the stack when it is stored.
MAX_LENGTH = 1024 * 1024
MAX_DEPTH = 64

_STRING_MODIFIERS = ["eq", "ne", "prefix", "like", "notlike", "null", "notnull"]
_NUMBER_MODIFIERS = ["eq", "ne", "lt", "lte", "gt", "gte", "null", "notnull"]
_OTHER_MODIFIERS = ["eq", "ne", "null", "notnull"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field: its v1 type, who may write it when (`c` on create, `u` on update), and where its value comes from.

    `source` is a path of attributes (`stack.name`) and, with `__` for dots, the column that filters and sorts use;
    `low` and `high` bound a number or the length of a text; a `shown_once` field appears only in the response that
    created the resource; an `admin` field exists for administrators only; null sent on update takes away the value of
    a `clearable` one.
    """

    name: str
    type: str
    crud: str = "r"
    source: str = ""
    default: Any = None
    options: tuple[str, ...] = ()
    low: int | None = None
    high: int | None = None
    required: bool = False
    nullable: bool = True
    shown_once: bool = False
    admin: bool = False
    clearable: bool = False

    @property
    def inner(self) -> str:
        """The type inside `array[...]`, `map[...]` or `reference[...]`."""
        found = re.fullmatch(r"\w+\[(.*)\]", self.type)
        return found[1] if found else ""

    @property
    def modifiers(self) -> list[str]:
        """The filter modifiers of this type; none for a field without a column."""
        if not self.source:
            return []
        if self.type in {"int", "float", "date"}:
            return _NUMBER_MODIFIERS
        return _STRING_MODIFIERS if self.type == "string" else _OTHER_MODIFIERS

    def schema(self, *, writable: str) -> dict[str, Any]:
        """The field as v1 schemas describe it to a role with the methods `writable`."""
        bounds = ("minLength", "maxLength") if self.type in {"string", "password"} else ("min", "max")
        return {
            "type": self.type,
            "create": "c" in self.crud and "c" in writable,
            "update": "u" in self.crud and "u" in writable,
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
            "readOnCreateOnly": self.shown_once,
            "unique": False,
            "validChars": None,
            "invalidChars": None,
            "description": None,
        }

    @property
    def check(self) -> Check:
        """The check that converts a request value into one that services take."""
        if self.options and self.type == "enum":
            return option(*self.options)
        if self.type in {"string", "password"}:
            return text(low=self.low or 0, high=self.high or MAX_LENGTH)
        if self.type == "int":
            return (
                integer(*(each for each in (self.low, self.high) if each is not None))
                if self.low is not None
                else _CHECK_INT
            )
        return _check_for_type(self.type)


_CHECK_INT = integer()
_CHECK_TEXT = text(high=MAX_LENGTH)


def _check_for_type(kind: str) -> Check:
    """The check of a v1 type without options or bounds."""
    known: dict[str, Check] = {"int": _CHECK_INT, "boolean": boolean, "json": check_json, "float": check_json}
    if kind in known:
        return known[kind]
    if kind in {"string", "password", "enum", "date", "blob"} or kind.startswith("reference["):
        return _CHECK_TEXT
    if kind.startswith("array["):
        item = _check_for_type(kind[6:-1])
        return check_objects if item is check_object else list_of(item)
    if kind.startswith("map["):
        inner = kind[4:-1]
        if inner.startswith("reference["):
            return check_references
        return mapping(map_text() if inner == "string" else _check_for_type(inner))
    return check_object


def check_references(name: str, value: Any) -> Any:
    """Check a map to ids of rows; v1's clients send null for a name that leads nowhere, which is left out."""
    is_map = isinstance(value, Mapping)
    given = {word: each for word, each in value.items() if each is not None} if is_map else value
    return mapping(_CHECK_TEXT)(name, given)


def check_object(name: str, value: Any) -> Any:
    """A nested value of another v1 type; the service that receives it validates its content."""
    if not isinstance(value, Mapping):
        raise Invalid(name, "InvalidFormat", f"{name} must be an object.")
    return check_json(name, value)


def check_objects(name: str, value: Any) -> Any:
    """A list of nested values, none of which a text or a number can be."""
    if not isinstance(value, list | tuple) or not all(isinstance(each, Mapping) for each in value):
        raise Invalid(name, "InvalidFormat", f"{name} must be a list of objects.")
    return list_of(check_object)(name, value)


def check_json(name: str, value: Any, depth: int = 0) -> Any:
    """Any JSON that can be stored: no NUL in texts, and at most `MAX_DEPTH` levels."""
    if depth > MAX_DEPTH:
        raise Invalid(name, "MaxLimitExceeded", f"{name} is nested too deeply.")
    if isinstance(value, Mapping):
        return {plain_text(name, key): check_json(name, each, depth + 1) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [check_json(name, each, depth + 1) for each in value]
    return plain_text(name, value) if isinstance(value, str) else value


def parse_fields(rows: str) -> tuple[Field, ...]:
    """Parse fields written one per line: name, type, letters, then marks in any order.

    `*` required, `~` never null, `!` shown once, `^` administrators only, `?` cleared by null, `=x` default (JSON,
    else text), `<path` source, `:a|b` options, `1..9` bounds.
    """
    return tuple(_parse_row(line.split()) for line in rows.splitlines() if line.strip())


def _parse_row(words: list[str]) -> Field:
    name, kind, crud, *marks = words
    found: dict[str, Any] = {"name": name, "type": kind, "crud": crud}
    for mark in marks:
        found.update(_parse_mark(mark))
    return Field(**found)


def _parse_mark(mark: str) -> dict[str, Any]:
    plain = {
        "*": {"required": True},
        "~": {"nullable": False},
        "!": {"shown_once": True},
        "^": {"admin": True},
        "?": {"clearable": True},
    }
    if mark in plain:
        return plain[mark]
    properties = {"<": "source", ":": "options", "=": "default"}
    if mark[0] in properties:
        converters: dict[str, Callable[[str], Any]] = {
            "<": str,
            ":": lambda word: tuple(word.split("|")),
            "=": _parse_default,
        }
        return {properties[mark[0]]: converters[mark[0]](mark[1:])}
    low, _dots, high = mark.partition("..")
    return {"low": int(low), "high": int(high) if high else None}


def _parse_default(value: str) -> Any:
    try:
        return json.loads(value)
    except ValueError:
        return value
