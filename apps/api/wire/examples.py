"""What the page of a resource or collection can be asked, as requests to be copied elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.utils.translation import gettext as _

from apps.api.wire.fields import Field
from apps.api.wire.resource import Resource, find_resource
from apps.core.request_snippets import ApiRequest, snippets_of

_PLACEHOLDERS: dict[str, Any] = {"int": 1, "float": 1.0, "boolean": True, "json": {}, "password": "", "blob": ""}
_MAX_DEPTH = 3


def example_requests(
    url: str, resource: Resource, data: Mapping[str, Any], context: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """The request of the page itself, then one for each of its forms (`context` has which there are)."""
    found = [_shown(_("Read it"), ApiRequest("GET", url))]
    if "create" in context:
        body = example_body(resource.fields, "c")
        found.append(
            _shown(_("Create"), ApiRequest("POST", context["create_url"], body, title=f"Create {resource.name}"))
        )
    for action in context.get("actions", ()):
        request = ApiRequest("POST", action["url"], _action_body(resource, action["name"]), title=action["name"])
        found.append(_shown(action["name"], request))
    if "edit" in context:
        body = {name: data.get(name) for name in ("name", "description") if name in data}
        found.append(_shown(_("Change"), ApiRequest("PUT", context["item_url"], body)))
    if context.get("deletable"):
        found.append(_shown(_("Delete"), ApiRequest("DELETE", context["item_url"])))
    return found


def _shown(title: str, request: ApiRequest) -> dict[str, Any]:
    return {"title": title, "snippets": snippets_of(request)}


def _action_body(resource: Resource, name: str) -> dict[str, Any] | None:
    action = resource.custom_actions.get(name)
    taken = find_resource(action.input) if action and action.input else None
    return example_body(taken.fields, "c", everything=True) if taken else None


def example_body(fields: Iterable[Field], letter: str, *, everything: bool = False, depth: int = 0) -> dict[str, Any]:
    """A body with every required field (or with `everything`), for people to fill in."""
    return {
        field.name: _example(field, depth)
        for field in fields
        if letter in field.crud and not field.admin and (field.required or everything)
    }


def _example(field: Field, depth: int) -> Any:
    if field.default is not None:
        return field.default
    if field.options:
        return field.options[0]
    outer = field.type.partition("[")[0]
    if outer in {"array", "map"}:
        return [] if outer == "array" else {}
    if outer == "reference":
        return f"<id of a {field.inner}>"
    nested = find_resource(field.type)
    if nested is not None and depth < _MAX_DEPTH:
        return example_body(nested.fields, "c", depth=depth + 1)
    return _PLACEHOLDERS.get(field.type, f"<{field.name}>")
