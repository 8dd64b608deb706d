"""The OpenAPI 3.1 document of what one caller can do."""

from __future__ import annotations

import functools
import json
from typing import Any

from django.conf import settings
from django.http import HttpResponse

from apps.api.openapi.components import JsonSchema, input_schema, reference_to, resource_schema
from apps.api.openapi.operations import REFUSALS, Paths, TypePaths
from apps.api.openapi.webhook_receiver import ANSWER, PATH, PORTAL, TAG, answer_schema, receiver_path
from apps.api.wire.context import ApiCaller, caller_with_role
from apps.api.wire.resource import Resource, visible_resources
from apps.api.wire.roles import RoleOrPermissions
from apps.api.wire.schema import visible_fields

MEDIA_TYPE = "application/json"
_ABOUT = (
    "Everything that this caller's role can see and do. A type has one path for its collection and one for a row; "
    "actions are a POST to the row with `?action=`. Inside an environment the same paths are below "
    "`/v1/projects/<id>`."
)
_SECURITY_SCHEMES = {
    "key": {"type": "http", "scheme": "basic", "description": "An API key: access key and secret key."},
    "token": {"type": "http", "scheme": "bearer", "description": "The `jwt` of `POST /v1/token`."},
}
_ERROR: JsonSchema = {
    "type": "object",
    "required": ["id", "type", "status", "code", "message"],
    "properties": {
        "id": {"type": "string"},
        "type": {"const": "error"},
        "status": {"type": "integer"},
        "code": {"type": "string"},
        "message": {"type": "string"},
        "detail": {"type": ["string", "null"]},
        "fieldName": {"type": "string"},
    },
}


def openapi_response(caller: ApiCaller) -> HttpResponse:
    """The caller's document as a response."""
    servers = json.dumps([{"url": caller.base + caller.prefix}])
    document = encoded_document(caller.role_or_permissions).replace(json.dumps(PORTAL), json.dumps(caller.base))
    body = f'{{"servers": {servers}, {document[1:]}'
    return HttpResponse(body, content_type=MEDIA_TYPE)


# Half a megabyte each; a portal has a few roles, and each caller of one gets the same bytes.
@functools.lru_cache(maxsize=8)
def encoded_document(who: RoleOrPermissions) -> str:
    """The document of a role as JSON, without `servers`."""
    return json.dumps(build_document(who))


def build_document(who: RoleOrPermissions) -> dict[str, Any]:
    """The document for a role outside any environment, or for the permissions held in one; without `servers`."""
    caller = caller_with_role(who)
    resources = {each.name: each for each in visible_resources(caller)}
    readable = {name: each for name, each in resources.items() if each.may(caller, "r")}
    paths: Paths = {}
    for each in resources.values():
        paths.update(TypePaths(each, each.roles.allowed_crud(who), each.actions_for(caller), readable).paths())
    if TAG in readable:
        paths[PATH] = receiver_path()
    return {
        "openapi": "3.1.0",
        "info": {"title": "Corral API", "version": settings.VERSION, "description": _ABOUT},
        "security": [{name: []} for name in _SECURITY_SCHEMES],
        "tags": [{"name": name, "description": type(each).__doc__ or ""} for name, each in resources.items()],
        "paths": paths,
        "components": {
            "schemas": _schemas(resources, who),
            "responses": {status: _refusal(about) for status, about in REFUSALS.items()},
            "securitySchemes": _SECURITY_SCHEMES,
        },
    }


def _schemas(resources: dict[str, Resource], who: RoleOrPermissions) -> dict[str, JsonSchema]:
    found: dict[str, JsonSchema] = {"error": _ERROR, ANSWER: answer_schema()}
    for name, resource in resources.items():
        fields = visible_fields(resource, is_admin=who == "admin")
        found[name] = resource_schema(resource, fields, resources.__contains__)
        found[f"{name}.create"] = input_schema(fields, "c", resources.__contains__)
        if "u" in resource.roles.allowed_crud(who):
            found[f"{name}.update"] = input_schema(fields, "u", resources.__contains__)
        if resource.listable:
            found[f"{name}.list"] = _collection(name)
    return found


def _collection(name: str) -> JsonSchema:
    return {
        "type": "object",
        "required": ["type", "resourceType", "links", "data"],
        "properties": {
            "type": {"const": "collection"},
            "resourceType": {"type": "string"},
            "links": {"type": "object"},
            "data": {"type": "array", "items": reference_to(name)},
            "pagination": {"type": ["object", "null"]},
            "sort": {"type": ["object", "null"]},
            "filters": {"type": ["object", "null"]},
        },
    }


def _refusal(about: str) -> JsonSchema:
    return {"description": about, "content": {"application/json": {"schema": reference_to("error")}}}
