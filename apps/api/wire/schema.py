"""The schemas that clients are generated from: what a role may do with a type (v1 contract, section 1.6)."""

from __future__ import annotations

from typing import Any

from apps.api.wire.context import ApiCaller
from apps.api.wire.fields import Field
from apps.api.wire.resource import Resource, counterpart

_ITEM_METHODS = {"r": "GET", "u": "PUT", "d": "DELETE"}


def allowed_methods(resource: Resource, caller: ApiCaller) -> tuple[list[str], list[str]]:
    """The caller's methods on the collection, and on one resource."""
    crud = resource.roles.allowed_crud(caller.role_or_permissions)
    collection = ["GET"] * ("r" in crud and resource.listable) + ["POST"] * ("c" in crud)
    return collection, [method for letter, method in _ITEM_METHODS.items() if letter in crud]


def visible_fields(resource: Resource, *, is_admin: bool) -> list[Field]:
    """The fields that exist for a role: some are for administrators only."""
    return [field for field in resource.fields if is_admin or not field.admin]


def build_schema(resource: Resource, caller: ApiCaller) -> dict[str, Any]:
    """The schema of one type for the caller's role."""
    crud = resource.roles.allowed_crud(caller.role_or_permissions)
    collection, item = allowed_methods(resource, caller)
    fields = visible_fields(resource, is_admin=caller.role == "admin")
    shown = {f.name: f.schema(writable=crud) for f in fields}
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
        "resourceActions": {name: _action_schema(resource, caller, name) for name in resource.actions_for(caller)},
        "collectionActions": {},
        "collectionFields": {},
        "collectionFilters": _filter_schema(resource),
        "includeableLinks": [
            name.lower()
            for name, link in resource.includeable_links.items()
            if counterpart(link.target, caller.dialect) is not None
        ],
    }


def _id_field(resource: Resource) -> dict[str, Any]:
    """The field `id`, for types with rows of a table."""
    plain = {"type": "string", "create": False, "update": False, "nullable": True, "required": False}
    return {"id": plain} if resource.model is not None else {}


def _action_schema(resource: Resource, caller: ApiCaller, name: str) -> dict[str, str]:
    custom_action = resource.custom_actions.get(name)
    inputs = {"input": custom_action.input} if custom_action and custom_action.input else {}
    found = {**inputs, "output": (custom_action.output if custom_action else "") or resource.name}
    return {key: caller.dialect.translate(word) for key, word in found.items()}


def _filter_schema(resource: Resource) -> dict[str, Any]:
    if not resource.sortable:
        return {}
    numbered = {"id": {"modifiers": ["eq", "ne", "lt", "lte", "gt", "gte", "null", "notnull"]}}
    columns = {f.name: {"modifiers": f.modifiers} for f in resource.fields if f.modifiers}
    return {**numbered, **columns} if resource.listable else {}
