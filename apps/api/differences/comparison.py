"""Compares the schemas that one role sees with those of a reference: types, methods, fields, actions, filters."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Schemas = Mapping[str, Mapping[str, Any]]

MISSING = ""
"""How a side is written that does not have the thing at all."""

_LIMITS = ("min", "max", "minLength", "maxLength")
# The reference repeats the width of its database's columns at every one of them, also where no text is stored.
_TYPES_WITH_LENGTH = frozenset({"string", "password"})
_FLAGS = ("type", "create", "update", "nullable")
_FOR_WRITERS = ("required", "default")


@dataclass(frozen=True, slots=True, order=True)
class SchemaDifference:
    """One thing of a type that is not the same on both sides: `reference` and `ours` are JSON, or `MISSING`.

    `part` says what it is: `type`, `method POST`, `field hostId`, `field hostId create`, `action stop`,
    `action stop input`, `filter name`.
    """

    type: str
    part: str
    reference: str
    ours: str

    def __str__(self) -> str:
        if not self.ours:
            return f"{self.part}: only in the reference"
        if not self.reference:
            return f"{self.part}: only here"
        return f"{self.part}: {self.reference} in the reference, {self.ours} here"


def compare_schemas(reference: Schemas, ours: Schemas) -> list[SchemaDifference]:
    """Every difference, by type; types that only we have are extensions and not compared."""
    found: list[SchemaDifference] = []
    for name in sorted(reference):
        if name not in ours:
            found.append(SchemaDifference(name, "type", "true", MISSING))
            continue
        found += _compare_type(name, reference[name], ours[name])
    return found


def _compare_type(name: str, reference: Mapping[str, Any], ours: Mapping[str, Any]) -> Iterator[SchemaDifference]:
    for part in ("collectionMethods", "resourceMethods"):
        where = part.removesuffix("Methods")
        yield from _compare_names(name, f"{where} method", reference[part], ours[part])
    # The reference's flags are the same for every role: they say something where the role has the method.
    creates = "POST" in {*reference["collectionMethods"]} & {*ours["collectionMethods"]}
    updates = "PUT" in {*reference["resourceMethods"]} & {*ours["resourceMethods"]}
    theirs, here = (_fields_as_used(each, creates=creates, updates=updates) for each in (reference, ours))
    yield from _compare_fields(name, theirs, here)
    yield from _compare_actions(name, reference["resourceActions"], ours["resourceActions"])
    if "GET" in reference["collectionMethods"]:
        yield from _compare_filters(name, reference["collectionFilters"], ours["collectionFilters"])


def _fields_as_used(schema: Mapping[str, Any], *, creates: bool, updates: bool) -> dict[str, dict[str, Any]]:
    """The fields, written only by the methods that there are."""
    return {
        name: {
            **field,
            "create": bool(field.get("create")) and creates,
            "update": bool(field.get("update")) and updates,
        }
        for name, field in schema["resourceFields"].items()
    }


def _compare_names(name: str, part: str, reference: Iterable[str], ours: Iterable[str]) -> Iterator[SchemaDifference]:
    for each in sorted({*reference} ^ {*ours}):
        yield SchemaDifference(
            name, f"{part} {each}", "true" if each in reference else "", "true" if each in ours else ""
        )


def _compare_fields(name: str, reference: Schemas, ours: Schemas) -> Iterator[SchemaDifference]:
    yield from _compare_names(name, "field", reference, ours)
    for field in sorted(reference.keys() & ours.keys() - {"id"}):  # an id is opaque on the wire: no flags of its own
        for flag, theirs, here in _compare_field(reference[field], ours[field]):
            yield SchemaDifference(name, f"field {field} {flag}", json.dumps(theirs), json.dumps(here))


def _compare_field(reference: Mapping[str, Any], ours: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """The flags that differ; what limits input counts only where there is some on both sides."""
    is_written = _is_written(reference) and _is_written(ours)
    for flag in (*_FLAGS, *(_FOR_WRITERS if is_written else ())):
        if _flag(reference, flag) != _flag(ours, flag):
            yield flag, _flag(reference, flag), _flag(ours, flag)
    if is_written:
        yield from _compare_limits(reference, ours)


def _compare_limits(reference: Mapping[str, Any], ours: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    if sorted(reference.get("options") or ()) != sorted(ours.get("options") or ()):
        yield "options", reference.get("options"), ours.get("options")
    for limit in _LIMITS:
        counts = "Length" not in limit or ours["type"] in _TYPES_WITH_LENGTH
        if counts and (reference.get(limit) or None) != (ours.get(limit) or None):  # at least 0 says nothing
            yield limit, reference.get(limit), ours.get(limit)


def _flag(field: Mapping[str, Any], flag: str) -> Any:
    value = field.get(flag)
    return bool(value) if flag not in {"type", "default"} else value


def _is_written(field: Mapping[str, Any]) -> bool:
    return bool(field.get("create") or field.get("update"))


def _compare_actions(name: str, reference: Schemas, ours: Schemas) -> Iterator[SchemaDifference]:
    # `create` is how the reference makes rows inside; no client can call it.
    yield from _compare_names(name, "action", reference.keys() - {"create"}, ours.keys() - {"create"})
    for action in sorted(reference.keys() & ours.keys()):
        for part in ("input", "output"):
            theirs, here = reference[action].get(part), ours[action].get(part)
            if theirs != here:
                yield SchemaDifference(name, f"action {action} {part}", json.dumps(theirs), json.dumps(here))


def _compare_filters(
    name: str, reference: Mapping[str, Iterable[str]], ours: Mapping[str, Mapping[str, Any]]
) -> Iterator[SchemaDifference]:
    yield from _compare_names(name, "filter", reference, ours)
    for field in sorted(reference.keys() & ours.keys()):
        theirs, here = sorted(reference[field]), sorted(ours[field]["modifiers"])
        if theirs != here:
            yield SchemaDifference(name, f"filter {field} modifiers", json.dumps(theirs), json.dumps(here))


def roles_by_difference(by_role: Mapping[str, Iterable[SchemaDifference]]) -> dict[SchemaDifference, list[str]]:
    """Each difference with the roles that see it."""
    found: dict[SchemaDifference, list[str]] = {}
    for role, differences in by_role.items():
        for each in differences:
            found.setdefault(each, []).append(role)
    return dict(sorted(found.items()))
