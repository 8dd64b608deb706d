"""The URLs of the API: everything below `/v1`, and `/` for programs."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.urls import URLPattern, URLResolver, path, re_path, resolve

from apps.api import resources
from apps.api.resources.agent_registration import AgentRegistrationView, registration_script
from apps.api.resources.transform import transform
from apps.api.wire.formats import wants_html
from apps.api.wire.origin import base_url
from apps.api.wire.view import ApiView, scripts, version_index

_CONSOLE_URLS = "apps.console.urls"


def root_page(request: HttpRequest) -> HttpResponseBase:
    """`/`: the console for browsers, the API's versions for everybody else.

    A client whose URL is the portal's own sends any Accept, and follows X-API-Schemas.
    """
    if not wants_html(request):
        base = base_url(request)
        return JsonResponse(version_index(base), headers={"X-API-Schemas": f"{base}/v1/schemas"})
    found = resolve("/", urlconf=_CONSOLE_URLS)
    request.resolver_match = found
    answer: HttpResponseBase = found.func(request, *found.args, **found.kwargs)
    return answer


scripts["transform"] = transform

urlpatterns: list[URLPattern | URLResolver] = [
    path("", root_page),
    re_path(r"^v1/scripts/(?!transform/?$)(?P<token>[^/]+)/?$", registration_script),
    re_path(r"^v1/registers/?$", AgentRegistrationView.as_view()),
    re_path(r"^v1(?:/(?P<path>.*))?$", ApiView.as_view(), name="v1"),
]

__all__ = ["resources", "urlpatterns"]
