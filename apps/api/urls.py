"""The URLs of the API: everything below `/v1`, and `/` for programs."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.urls import URLPattern, URLResolver, path, re_path, resolve

from apps.api import resources
from apps.api.resources.agents import RegistersView, script
from apps.api.resources.transform import transform
from apps.api.wire.origin import base_url
from apps.api.wire.view import ApiView, root, scripts

_PAGES = "apps.console.urls"


def front(request: HttpRequest) -> HttpResponseBase:
    """`/`: the versions of the API to who asks for JSON, the console to everybody else."""
    accept = request.headers.get("Accept", "")
    if "application/json" in accept and "text/html" not in accept:
        base = base_url(request)
        return JsonResponse(root(base), headers={"X-API-Schemas": f"{base}/v1/schemas"})
    found = resolve("/", urlconf=_PAGES)
    request.resolver_match = found
    answer: HttpResponseBase = found.func(request, *found.args, **found.kwargs)
    return answer


scripts["transform"] = transform

urlpatterns: list[URLPattern | URLResolver] = [
    path("", front),
    re_path(r"^v1/scripts/(?!transform/?$)(?P<token>[^/]+)/?$", script),
    re_path(r"^v1/registers/?$", RegistersView.as_view()),
    re_path(r"^v1(?:/(?P<path>.*))?$", ApiView.as_view(), name="v1"),
]

__all__ = ["resources", "urlpatterns"]
