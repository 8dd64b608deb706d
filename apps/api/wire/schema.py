"""The schemas that clients generate themselves from: what one role may do with one type (v1 contract, section 1.6)."""

from __future__ import annotations

from typing import Any

from apps.api.wire.caller import Caller
from apps.api.wire.kinds import Resource
from apps.api.wire.roles import letters

_ITEM = {"r": "GET", "u": "PUT", "d": "DELETE"}


def methods(resource: Resource, caller: Caller) -> tuple[list[str], list[str]]:
    """What the caller's role may do with the collection, and with one of its things."""
    held = letters(caller.standing, resource.name)
    collection = ["GET"] * ("r" in held and resource.listable) + ["POST"] * ("c" in held)
    return collection, [method for letter, method in _ITEM.items() if letter in held]


def schema(resource: Resource, caller: Caller) -> dict[str, Any]:
    """One type as the caller's role knows it."""
    held = letters(caller.standing, resource.name)
    collection, item = methods(resource, caller)
    fields = [f for f in resource.fields if caller.role == "admin" or not f.admin]
    shown = {f.name: f.schema(writable=held) for f in fields}
    for name, options in resource.options(caller).items():
        shown[name]["options"] = list(options)
    plural = resource.plural_name
    links = {"self": caller.url("schemas", resource.name)}
    if resource.listable and collection:
        links["collection"] = caller.url(plural.lower())
    return {
        "id": resource.name,
        "type": "schema",
        "links": links,
        "actions": {},
        "pluralName": plural,
        "resourceMethods": item,
        "collectionMethods": collection,
        "resourceFields": {**_id_field(resource), **shown},
        "resourceActions": {name: _action(resource, name) for name in resource.actions_for(caller)},
        "collectionActions": {},
        "collectionFields": {},
        "collectionFilters": _filters(resource),
        "includeableLinks": [name.lower() for name, link in resource.links.items() if not link.is_made],
    }


def _id_field(resource: Resource) -> dict[str, Any]:
    """The id of what has rows."""
    plain = {"type": "string", "create": False, "update": False, "nullable": True, "required": False}
    return {"id": plain} if resource.model is not None else {}


def _action(resource: Resource, name: str) -> dict[str, str]:
    verb = resource.verbs.get(name)
    inputs = {"input": verb.input} if verb and verb.input else {}
    return {**inputs, "output": (verb.output if verb else "") or resource.name}


def _filters(resource: Resource) -> dict[str, Any]:
    if not resource.sortable:
        return {}
    numbered = {"id": {"modifiers": ["eq", "ne", "lt", "lte", "gt", "gte", "null", "notnull"]}}
    columns = {f.name: {"modifiers": f.modifiers} for f in resource.fields if f.modifiers}
    return {**numbered, **columns} if resource.listable else {}
