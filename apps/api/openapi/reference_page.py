"""`/v1/reference`: the OpenAPI document as a page for people, one type at a time, with requests to be copied."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from django.http import HttpResponse
from django.template.loader import render_to_string
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from apps.api.openapi.document import encoded_document
from apps.api.wire.context import ApiCaller
from apps.api.wire.examples import example_body
from apps.api.wire.resource import Resource, visible_resources
from apps.core.errors import NotFound
from apps.core.request_snippets import ApiRequest, snippets_of

_NO_METHODS = frozenset({"parameters", "servers"})
_EXAMPLE_LETTERS = {"post": "c", "put": "u"}


def reference_page(caller: ApiCaller) -> HttpResponse:
    """The page of the type in `?type=`, or the list of all types."""
    types = {each.name: each for each in visible_resources(caller)}
    chosen = caller.query.get("type", "")
    if chosen and chosen not in types:
        raise NotFound(f"There is no type {chosen[:64]!r} for this caller.")
    context: dict[str, Any] = {
        "types": [{"name": name, "about": _with_code(first_sentence(each))} for name, each in types.items()],
        "document_url": caller.url("openapi.json"),
        "url": caller.url("reference"),
        "api_url": caller.url(),
        "account": caller.actor.user,
    }
    if chosen:
        document = json.loads(encoded_document(caller.role_or_permissions))
        context |= {"chosen": _described(document, types[chosen], caller)}
    return HttpResponse(render_to_string("api/reference.html", context))


def first_sentence(resource: Resource) -> str:
    """What a type is, in a line."""
    return " ".join((type(resource).__doc__ or "").split("\n\n")[0].split())


def _with_code(text: str) -> SafeString:
    """A docstring as HTML: what stands between backticks is code."""
    pieces = enumerate(text.split("`"))
    return format_html_join(
        "", "{}", ((format_html("<code>{}</code>", each) if at % 2 else each,) for at, each in pieces)
    )


def _described(document: Mapping[str, Any], resource: Resource, caller: ApiCaller) -> dict[str, Any]:
    schemas = document["components"]["schemas"]
    writable = {
        letter: schemas.get(f"{resource.name}.{word}", {}) for letter, word in (("c", "create"), ("u", "update"))
    }
    return {
        "name": resource.name,
        "about": _with_code(type(resource).__doc__ or ""),
        "operations": list(_operations(document, resource, caller)),
        "fields": [
            {
                "name": name,
                "type": _type_in_words(schema),
                "create": name in writable["c"].get("properties", {}),
                "update": name in writable["u"].get("properties", {}),
                "required": name in writable["c"].get("required", ()),
            }
            for name, schema in schemas[resource.name]["properties"].items()
        ],
    }


def _operations(document: Mapping[str, Any], resource: Resource, caller: ApiCaller) -> Iterator[dict[str, Any]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if method in _NO_METHODS or operation["tags"] != [resource.name]:
                continue
            letter = _EXAMPLE_LETTERS.get(method) if "action" not in str(operation.get("parameters")) else None
            body = example_body(resource.fields, letter) if letter else None
            url = caller.url() + path.replace("{id}", "ID") + ("/?action=NAME" if "x-actions" in operation else "")
            request = ApiRequest(method.upper(), url, body, title=operation["summary"])
            yield {
                "method": method.upper(),
                "path": path,
                "summary": operation["summary"],
                "parameters": [each for each in operation.get("parameters", ()) if each["name"] != "filters"],
                "answers": list(operation["responses"]),
                "snippets": [] if "security" in operation else snippets_of(request),  # those send a key
            }


def _type_in_words(schema: Mapping[str, Any]) -> str:
    """A JSON schema in a few words."""
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    if "anyOf" in schema:
        return _type_in_words(schema["anyOf"][0])
    kind = schema.get("type", "anything")
    kind = next((each for each in kind if each != "null"), "null") if isinstance(kind, list) else kind
    inner = schema.get("items") or schema.get("additionalProperties")
    return f"{kind} of {_type_in_words(inner)}" if isinstance(inner, dict) and inner else str(kind)
