"""The URLs of the API: everything below `/v1` and `/v2-beta`, and `/` for programs."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.urls import URLPattern, URLResolver, path, re_path, resolve

from apps.api import resources, v2beta
from apps.api.catalog import CatalogView
from apps.api.container_proxy import ContainerProxyView
from apps.api.deploy_webhooks import DeployWebhookView
from apps.api.metrics.response import metrics_response
from apps.api.openapi.document import openapi_response
from apps.api.openapi.reference_page import reference_page
from apps.api.resources.agent_registration import AgentRegistrationView, registration_script
from apps.api.resources.device_login import DeviceLoginView, DeviceTokenView
from apps.api.resources.token_exchange import TokenExchangeView
from apps.api.resources.transform import transform
from apps.api.wire.dialect import V2_BETA
from apps.api.wire.formats import wants_html
from apps.api.wire.origin import base_url
from apps.api.wire.view import ApiView, documents, scripts, version_index

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
documents["openapi.json"] = openapi_response
documents["reference"] = reference_page
documents["metrics"] = metrics_response

urlpatterns: list[URLPattern | URLResolver] = [
    path("", root_page),
    re_path(r"^v1/scripts/(?!transform/?$)(?P<token>[^/]+)/?$", registration_script),
    re_path(r"^(?P<path>metrics)/?$", ApiView.as_view()),
    re_path(r"^v1/container-proxy(?:/(?P<path>.*))?$", ContainerProxyView.as_view()),
    re_path(r"^v1/registers/?$", AgentRegistrationView.as_view()),
    re_path(r"^v1/devicelogins/?$", DeviceLoginView.as_view()),
    re_path(r"^v1/devicelogins/token/?$", DeviceTokenView.as_view()),
    re_path(r"^v1/tokenexchange/?$", TokenExchangeView.as_view()),
    # Line breaks too: what is below /v1 is answered as the API answers.
    re_path(r"^v1(?:/(?P<path>[\s\S]*))?\Z", ApiView.as_view(), name="v1"),
    re_path(r"^v2-beta(?:/(?P<path>.*))?$", ApiView.as_view(dialect=V2_BETA), name="v2-beta"),
    re_path(r"^v1-webhooks/(?P<key>[^/]{1,64})/?\Z", DeployWebhookView.as_view(), name="deploy-webhook"),
    re_path(r"^v1-catalog(?:/(?P<path>.*))?$", CatalogView.as_view()),
]

__all__ = ["resources", "urlpatterns", "v2beta"]
