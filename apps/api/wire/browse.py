"""The API as pages: what a program would get, with links to follow and forms to write, from the same declarations."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from rest_framework.renderers import BrowsableAPIRenderer

from apps.api.wire import kinds
from apps.api.wire.fields import Field
from apps.api.wire.formats import dated
from apps.api.wire.kinds import Resource

_QUOTE = "\0"  # stands for the escaped one while URLs are found; JSON texts never hold it bare
_URL = re.compile(r"https?://[^\s&<>\0]+(?:&amp;[^\s&<>\0]+)*")
_LONG = ("json", "array[", "map[")


class PageRenderer(BrowsableAPIRenderer):
    """REST framework's browsable API, drawn with our template and fed by the register instead of serializers."""

    template = "api/browse.html"
    format = "api"
    media_type = "text/html"

    def get_context(
        self,
        data: Any,
        accepted_media_type: str | None,  # noqa: ARG002 - there is one kind of page
        renderer_context: Mapping[str, Any],
    ) -> dict[str, Any]:
        """What the template shows."""
        view, request, response = renderer_context["view"], renderer_context["request"], renderer_context["response"]
        context: dict[str, Any] = {
            "content": linked(dated(data)),
            "name": _name(data),
            "steps": steps(request.path),
            "status": f"{response.status_code} {response.status_text}",
            "code": response.status_code,
            "method": request.method,
            "url": request.get_full_path(),
            "json_url": f"{request.path}?format=json",
            "request": request,
            "account": view.caller.actor.user,  # request.user would ask for credentials again
        }
        resource = getattr(view, "resource", None)
        if resource is not None and response.status_code < 400:
            context.update(_forms(view, resource, data))
        return context


def _name(data: Any) -> str:
    if not isinstance(data, Mapping):
        return "v1"
    return str(data.get("name") or data.get("resourceType") or data.get("code") or data.get("id") or "v1")


def linked(data: Any) -> SafeString:
    """JSON as HTML, its URLs clickable."""
    text = str(escape(json.dumps(data, indent=2, ensure_ascii=False, default=str)))
    text = _URL.sub(
        lambda found: f'<a href="{found[0].removesuffix("&quot;")}">{found[0]}</a>', text.replace("&quot;", "\0")
    )
    return mark_safe(text.replace("\0", "&quot;"))  # noqa: S308 - escaped above


def steps(path: str) -> list[dict[str, str]]:
    """The parts of the path, each with its URL."""
    words = [word for word in path.split("/") if word]
    return [{"name": word, "url": "/" + "/".join(words[: at + 1])} for at, word in enumerate(words)]


def _forms(view: Any, resource: Resource, data: Any) -> dict[str, Any]:
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
