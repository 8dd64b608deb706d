"""The API as pages: what a program would get, with links to follow and forms to write, from the same declarations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework.renderers import BrowsableAPIRenderer

from apps.api.wire.formats import dated
from apps.api.wire.forms import forms_of
from apps.api.wire.linking import linked


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
            context.update(forms_of(view, resource, data))
        return context


def _name(data: Any) -> str:
    if not isinstance(data, Mapping):
        return "v1"
    return str(data.get("name") or data.get("resourceType") or data.get("code") or data.get("id") or "v1")


def steps(path: str) -> list[dict[str, str]]:
    """The parts of the path, each with its URL."""
    words = [word for word in path.split("/") if word]
    return [{"name": word, "url": "/" + "/".join(words[: at + 1])} for at, word in enumerate(words)]
