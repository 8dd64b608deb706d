"""The forms of the API's pages, from the same declarations as the API."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from apps.api.wire import kinds
from apps.api.wire.fields import Field
from apps.api.wire.formats import dated
from apps.api.wire.kinds import Resource

_LONG = ("json", "array[", "map[")


def forms_of(view: Any, resource: Resource, data: Any) -> dict[str, Any]:
    """What the template needs for the forms that this caller may use on what is shown."""
    if not isinstance(data, Mapping):
        return {}
    url = data.get("links", {}).get("self", "")
    if data.get("type") == "collection":
        fields = [_entry(f, None) for f in resource.fields if _writable(view, f, "c")]
        return {"create": fields, "create_url": url, "noun": resource.name} if resource.may(view.caller, "c") else {}
    shown = kinds.named(str(data.get("type"))) or resource
    context: dict[str, Any] = {"item_url": url, "noun": shown.name, "actions": _actions(shown, data)}
    if shown.may(view.caller, "u"):
        context["edit"] = [_entry(f, data.get(f.name)) for f in shown.fields if _writable(view, f, "u")]
    context["deletable"] = shown.may(view.caller, "d")
    return context


def _writable(view: Any, field: Field, letter: str) -> bool:
    return letter in field.letters and (not field.admin or view.caller.role == "admin")


def _entry(field: Field, value: Any) -> dict[str, Any]:
    """One field of a form: how it is asked for and what stands in it."""
    has_parts = field.type.startswith(_LONG) or kinds.named(field.type) is not None
    kind = "lines" if has_parts or field.name.lower().endswith("compose") else "text"
    if field.options or field.type == "boolean":
        kind = "choice"
    found = field.default if value is None else value
    return {
        "name": field.name,
        "type": field.type,
        "required": field.required,
        "kind": "password" if field.type == "password" else kind,
        "options": field.options or ("true", "false"),
        "value": found if isinstance(found, str) else ("" if found is None else json.dumps(dated(found))),
    }


def _actions(resource: Resource, data: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The actions on offer, each with the fields of its input."""
    found = []
    for name, url in data.get("actions", {}).items():
        verb = resource.verbs.get(name)
        taken = kinds.named(verb.input) if verb and verb.input else None
        fields = [_entry(f, None) for f in taken.fields if "c" in f.letters] if taken else []
        found.append({"name": name, "url": url, "fields": fields})
    return [each for each in found if each["name"] not in {"update", "remove"}]
