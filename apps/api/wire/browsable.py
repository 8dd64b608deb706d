"""The API as HTML pages for browsers: the JSON with clickable links, and forms derived from the same declarations."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from rest_framework.renderers import BrowsableAPIRenderer

from apps.api.wire.context import ApiCaller
from apps.api.wire.dialect import V1
from apps.api.wire.examples import example_requests
from apps.api.wire.fields import Field
from apps.api.wire.formats import format_dates
from apps.api.wire.resource import Resource, find_resource

_QUOTE = "\0"  # stands for &quot; while URLs are matched; JSON escapes NUL, so the text cannot contain it
_URL = re.compile(r"https?://[^\s&<>\0]+(?:&amp;[^\s&<>\0]+)*")


def linkify_json(data: Any) -> SafeString:
    """JSON as HTML, its URLs clickable."""
    text = str(escape(json.dumps(data, indent=2, ensure_ascii=False, default=str)))
    text = _URL.sub(
        lambda found: f'<a href="{found[0].removesuffix("&quot;")}">{found[0]}</a>', text.replace("&quot;", _QUOTE)
    )
    return mark_safe(text.replace(_QUOTE, "&quot;"))  # noqa: S308 - escaped above


_MULTILINE_TYPES = ("json", "array[", "map[")


def form_context(view: Any, resource: Resource, data: Any) -> dict[str, Any]:
    """The forms that this caller may use on the shown resource or collection, for the template."""
    if not isinstance(data, Mapping):
        return {}
    url = data.get("links", {}).get("self", "")
    if data.get("type") == "collection":
        fields = [_form_field(f, None) for f in resource.fields if _is_writable(view, f, "c")]
        return {"create": fields, "create_url": url, "noun": resource.name} if resource.may(view.caller, "c") else {}
    shown = find_resource(str(data.get("type")), view.caller.dialect) or resource
    context: dict[str, Any] = {"item_url": url, "noun": shown.name, "actions": _action_forms(shown, data)}
    # An instance shows itself as the container that it is, and is changed at the container's own URL only.
    if resource.may(view.caller, "u") and shown.may(view.caller, "u"):
        context["edit"] = [_form_field(f, data.get(f.name)) for f in shown.fields if _is_writable(view, f, "u")]
    context["deletable"] = resource.may(view.caller, "d") and shown.may(view.caller, "d")
    return context


def _is_writable(view: Any, field: Field, letter: str) -> bool:
    return letter in field.crud and (not field.admin or view.caller.role == "admin")


def _form_field(field: Field, value: Any) -> dict[str, Any]:
    """One field of a form: its input element and its present value."""
    is_structured = field.type.startswith(_MULTILINE_TYPES) or find_resource(field.type) is not None
    kind = "lines" if is_structured or field.name.lower().endswith("compose") else "text"
    if field.options or field.type == "boolean":
        kind = "choice"
    found = field.default if value is None else value
    return {
        "name": field.name,
        "type": field.type,
        "required": field.required,
        "kind": "password" if field.type == "password" else kind,
        "options": field.options or ("true", "false"),
        "value": found if isinstance(found, str) else ("" if found is None else json.dumps(format_dates(found))),
    }


def _action_forms(resource: Resource, data: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The available actions, each with the fields of its input."""
    found = []
    for name, url in data.get("actions", {}).items():
        custom_action = resource.custom_actions.get(name)
        if custom_action is not None and custom_action.takes_file:
            continue  # a form would wrap the file
        input_type = find_resource(custom_action.input) if custom_action and custom_action.input else None
        fields = [_form_field(f, None) for f in input_type.fields if "c" in f.crud] if input_type else []
        found.append({"name": name, "url": url, "fields": fields})
    return [each for each in found if each["name"] not in {"update", "remove"}]


class BrowsableRenderer(BrowsableAPIRenderer):
    """REST framework's browsable API, rendered with our template from the registered types instead of serializers."""

    template = "api/browse.html"
    format = "api"
    media_type = "text/html"

    def get_context(
        self,
        data: Any,
        accepted_media_type: str | None,  # noqa: ARG002 - HTML only
        renderer_context: Mapping[str, Any],
    ) -> dict[str, Any]:
        """The template's context."""
        view, request, response = renderer_context["view"], renderer_context["request"], renderer_context["response"]
        context: dict[str, Any] = {
            "content": linkify_json(format_dates(data)),
            "name": _page_title(data),
            "breadcrumbs": breadcrumbs(request.path),
            "status": f"{response.status_code} {response.status_text}",
            "code": response.status_code,
            "method": request.method,
            "url": request.get_full_path(),
            "reference_url": _reference_url(view.caller),
            "json_url": f"{request.path}?format=json",
            "request": request,
            "account": view.caller.actor.user,  # request.user would authenticate a second time
        }
        resource = getattr(view, "resource", None)
        if resource is not None and response.status_code < 400:
            context.update(form_context(view, resource, data))
            shown = find_resource(str(data.get("type")), view.caller.dialect) or resource
            context["requests"] = example_requests(view.url, shown, data, context)
        return context


def _reference_url(caller: ApiCaller) -> str:
    """The page of all requests, which there is of v1 only."""
    return caller.url("reference") if caller.dialect is V1 else f"{caller.base}/v1/reference"


def _page_title(data: Any) -> str:
    if not isinstance(data, Mapping):
        return "v1"
    return str(data.get("name") or data.get("resourceType") or data.get("code") or data.get("id") or "v1")


def breadcrumbs(path: str) -> list[dict[str, str]]:
    """The segments of the path, each with its URL."""
    words = [word for word in path.split("/") if word]
    return [{"name": word, "url": "/" + "/".join(words[: at + 1])} for at, word in enumerate(words)]
