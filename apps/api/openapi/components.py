"""v1's types as JSON schemas: what a resource looks like in answers, and what creating or changing it takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from apps.api.wire.embedded import EmbeddedResource
from apps.api.wire.fields import MAX_LENGTH, Field
from apps.api.wire.resource import Resource

JsonSchema = dict[str, Any]
KnowsType = Callable[[str], bool]

_PLAIN: dict[str, JsonSchema] = {
    "string": {"type": "string"},
    "password": {"type": "string", "format": "password"},
    "blob": {"type": "string"},
    "enum": {"type": "string"},
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "boolean": {"type": "boolean"},
    "date": {"type": "string"},
    "json": {},
}
_ANY_OBJECT: JsonSchema = {"type": "object"}
_ID: JsonSchema = {"type": "string", "description": "An id such as 1i5."}


def reference_to(component: str) -> JsonSchema:
    """`$ref` to a schema of the document."""
    return {"$ref": f"#/components/schemas/{component}"}


def value_schema(kind: str, is_known: KnowsType) -> JsonSchema:
    """The schema of a v1 type; types that the caller does not know are any object."""
    if kind in _PLAIN:
        return dict(_PLAIN[kind])
    outer, _bracket, rest = kind.partition("[")
    inner = rest.removesuffix("]")
    if outer == "reference":
        return dict(_ID)
    if outer == "array":
        return {"type": "array", "items": nullable(value_schema(inner, is_known))}
    if outer == "map":
        return {"type": "object", "additionalProperties": nullable(value_schema(inner, is_known))}
    return reference_to(kind) if is_known(kind) else dict(_ANY_OBJECT)


def nullable(schema: JsonSchema) -> JsonSchema:
    """The same, or null: v1 writes values that are not there as null."""
    if not schema:
        return schema
    if "$ref" in schema:
        return {"anyOf": [schema, {"type": "null"}]}
    return {**schema, "type": [schema["type"], "null"]}


def resource_schema(resource: Resource, fields: Iterable[Field], is_known: KnowsType) -> JsonSchema:
    """A resource in an answer: every value may be null, and dates come a second time in milliseconds."""
    properties: dict[str, JsonSchema] = {}
    if not isinstance(resource, EmbeddedResource):
        properties = {
            "id": {"type": ["string", "integer", "null"]},
            "type": {"type": "string"},
            "links": {"type": "object", "additionalProperties": {"type": "string"}},
            "actions": {"type": "object", "additionalProperties": {"type": "string"}},
        }
    for field in fields:
        properties[field.name] = nullable(value_schema(field.type, is_known))
        if field.type == "int" and field.name.endswith("Id"):  # v1 declares some ids as numbers and sends them as ids
            properties[field.name] = {"type": ["string", "integer", "null"]}
        if field.type == "date":
            properties[f"{field.name}TS"] = {"type": ["integer", "null"]}
    return {"type": "object", "description": type(resource).__doc__ or "", "properties": properties}


def input_schema(fields: Iterable[Field], letter: str, is_known: KnowsType) -> JsonSchema:
    """What creating (`c`) or changing (`u`) takes; null counts as absent, and unknown fields are dropped."""
    writable = [each for each in fields if letter in each.crud]
    properties = {each.name: _input_value(each, is_known) for each in writable}
    found: JsonSchema = {"type": "object", "properties": properties}
    required = [each.name for each in writable if each.required and letter == "c"]
    return {**found, "required": required} if required else found


def _input_value(field: Field, is_known: KnowsType) -> JsonSchema:
    found = value_schema(field.type, is_known)
    if field.options and field.type == "enum":
        found["enum"] = list(field.options)
    if field.default is not None:
        found["default"] = field.default
    found.update(_bounds(field))
    is_optional = not field.required and "enum" not in found
    return nullable(found) if is_optional else found


def _bounds(field: Field) -> JsonSchema:
    if field.type in {"string", "password"}:
        found = {"minLength": field.low, "maxLength": MAX_LENGTH if field.high is None else field.high}
    elif field.type == "int":
        found = {"minimum": field.low, "maximum": field.high}
    else:
        found = {}
    return {name: value for name, value in found.items() if value is not None}
