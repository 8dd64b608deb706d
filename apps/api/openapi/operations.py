"""The requests that a caller may make of one type, as OpenAPI paths."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apps.api.openapi.components import JsonSchema, reference_to
from apps.api.wire.embedded import EmbeddedResource
from apps.api.wire.query import DEFAULT_LIMIT, MAX_LIMIT, filterable_fields
from apps.api.wire.resource import Link, Resource

Operation = dict[str, Any]
Paths = dict[str, dict[str, Operation]]

REFUSALS = {
    "400": "The request is malformed.",
    "401": "No valid credential.",
    "403": "The role does not allow it, or the environment is not active.",
    "404": "There is none, or none that the caller may know of.",
    "405": "This method is not possible here.",
    "409": "It is busy, or somebody else changed it meanwhile.",
    "412": "If-Match does not fit.",
    "413": "The body is too large.",
    "422": "A field is wrong; `fieldName` says which.",
    "429": "Too many requests; Retry-After says when to go on.",
    "503": "Something that the portal needs does not answer.",
}
_CHANGE = ("409", "412", "413", "422")
_ROW_ID = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}, "description": "Such as 1i5."}
_IF_MATCH = {
    "name": "If-Match",
    "in": "header",
    "schema": {"type": "string"},
    "description": "The ETag of the row as it was read: the change is refused if somebody else came first.",
}


class TypePaths:
    """Builds the paths of one type for callers with these methods and actions."""

    def __init__(self, resource: Resource, crud: str, actions: list[str], readable: Mapping[str, Resource]) -> None:
        self._resource, self._crud, self._actions, self._readable = resource, crud, actions, readable
        self._noun = resource.name[0].upper() + resource.name[1:]
        self._plural = resource.plural_name[0].upper() + resource.plural_name[1:]

    def paths(self) -> Paths:
        """All paths of the type, without those that nothing answers."""
        if isinstance(self._resource, EmbeddedResource):
            return {}
        base = f"/{self._resource.plural_name.lower()}"
        found: Paths = {base: self._collection(), f"{base}/{{id}}": self._item()}
        if "r" in self._crud:
            for name, link in self._resource.links.items():
                found[f"{base}/{{id}}/{name.lower()}"] = self._link(name, link)
        return {path: operations for path, operations in found.items() if operations}

    def _collection(self) -> dict[str, Operation]:
        found = {}
        resource = self._resource
        if resource.listable and "r" in self._crud:
            found["get"] = self._operation(f"list{self._plural}", f"List {resource.plural_name}") | {
                "parameters": self._list_parameters(),
                "responses": self._responses({"200": ("The rows.", reference_to(f"{resource.name}.list"))}),
            }
        if "c" in self._crud and type(resource).create is not Resource.create:
            created = ("Created.", {"anyOf": [reference_to(resource.name), {"type": "object"}]})
            found["post"] = self._operation(f"create{self._noun}", f"Create a {resource.name}") | {
                "requestBody": _body(reference_to(f"{resource.name}.create")),
                "responses": self._responses({"201": created}, *_CHANGE),
            }
        return found

    def _item(self) -> dict[str, Operation]:
        found = {}
        resource, answer = self._resource, {"200": ("The row.", reference_to(self._resource.name))}
        if "r" in self._crud:
            found["get"] = self._operation(f"get{self._noun}", f"Read one {resource.name}") | {
                "responses": self._responses(answer)
            }
        if "u" in self._crud and type(resource).update is not Resource.update:
            found["put"] = self._operation(f"update{self._noun}", f"Change a {resource.name}") | {
                "parameters": [_IF_MATCH],
                "requestBody": _body(reference_to(f"{resource.name}.update")),
                "responses": self._responses(answer, *_CHANGE),
            }
        if "d" in self._crud and type(resource).act is not Resource.act:
            found["delete"] = self._operation(f"delete{self._noun}", f"Delete a {resource.name}") | {
                "parameters": [_IF_MATCH],
                "responses": self._responses(answer, *_CHANGE),
            }
        if self._actions:
            found["post"] = self._action()
        return {**found, "parameters": [_ROW_ID]} if found else {}  # type: ignore[dict-item]

    def _action(self) -> Operation:
        resource = self._resource
        custom = {name: resource.custom_actions[name] for name in self._actions if name in resource.custom_actions}
        inputs = sorted({each.input for each in custom.values() if each.input})
        bodies = [reference_to(f"{name}.create") for name in inputs] + [{"type": "object"}]
        done = ("Accepted; the answer is the row.", reference_to(resource.name))
        which = {"name": "action", "in": "query", "required": True, "schema": {"enum": self._actions}}
        return self._operation(f"actOn{self._noun}", f"Perform an action of a {resource.name}") | {
            "parameters": [which, _IF_MATCH],
            "requestBody": _body({"anyOf": bodies}, required=False),
            "responses": self._responses(
                {"200": ("The action's own answer.", {"type": "object"}), "202": done}, *_CHANGE
            ),
            "x-actions": {
                name: {"input": "file" if each.takes_file else each.input, "output": each.output}
                for name, each in custom.items()
            },
        }

    def _link(self, name: str, link: Link) -> dict[str, Operation]:
        target = self._readable.get(link.target)
        if not link.is_computed and target is None:
            return {}
        answer: JsonSchema = {"type": "object"}
        if target is not None:
            answer = reference_to(target.name if link.attribute else f"{target.name}.list")
        operation = self._operation(f"get{self._noun}{name[0].upper()}{name[1:]}", f"Follow the link `{name}`")
        responses = self._responses({"200": ("What it leads to.", answer)}, "422")
        if link.is_file:
            responses["200"] = {"description": "The file.", "content": {"application/octet-stream": {}}}
        return {"get": operation | {"responses": responses}, "parameters": [_ROW_ID]}  # type: ignore[dict-item]

    def _list_parameters(self) -> list[JsonSchema]:
        known = filterable_fields(self._resource)
        found = [
            _query("limit", {"type": "integer"}, f"Rows of a page: {DEFAULT_LIMIT} unless given, {MAX_LIMIT} at most."),
            _query("marker", {"type": "string"}, "Where the page starts: take it from `pagination.next`."),
        ]
        links = [name.lower() for name, link in self._resource.links.items() if not link.is_computed]
        if links:
            items = {"type": "array", "items": {"enum": links}}
            found.append(_query("include", items, "Links to be replaced by what they lead to."))
        if known:
            found.append(_query("sort", {"enum": list(known)}, "The field to sort by."))
            found.append(_query("order", {"enum": ["asc", "desc"]}, "Which way."))
            words = [
                word for name, field in known.items() for word in (name, *(f"{name}_{m}" for m in field.modifiers))
            ]
            filters = {"type": "object", "properties": {word: {"type": "string"} for word in words}}
            about = "Filters: `field=value` or `field_modifier=value`; all of them must hold."
            found.append(_query("filters", filters, about) | {"style": "form", "explode": True})
        return found

    def _operation(self, name: str, summary: str) -> Operation:
        return {"operationId": name, "summary": summary, "tags": [self._resource.name]}

    def _responses(self, answers: Mapping[str, tuple[str, JsonSchema]], *more: str) -> dict[str, Any]:
        """The answers that are meant, and the refusals that any request may meet."""
        found: dict[str, Any] = {
            status: {"description": about, "content": {"application/json": {"schema": schema}}}
            for status, (about, schema) in answers.items()
        }
        for status in sorted({"400", "401", "403", "404", "405", "429", "503", *more}):
            found[status] = {"$ref": f"#/components/responses/{status}"}
        return found


def _query(name: str, schema: JsonSchema, about: str) -> JsonSchema:
    return {"name": name, "in": "query", "schema": schema, "description": about}


def _body(schema: JsonSchema, *, required: bool = True) -> JsonSchema:
    return {"required": required, "content": {"application/json": {"schema": schema}}}
