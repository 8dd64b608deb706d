"""`/v1/devicelogins`: how a program without a key gets one by a person's browser, in the shape of RFC 8628."""

from __future__ import annotations

from typing import Any

from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.api.wire.origin import base_url, client_address
from apps.core.ids import wire_id
from apps.environments.services import DeviceLoginRefused, device_login_begin, device_login_fetch
from apps.hosts.selectors import portal_base_url

CODE_PAGE = "/device"
_NO_STORE = {"Cache-Control": "no-store"}


class AnonymousJsonView(APIView):
    """Takes and gives JSON; who calls has no key yet, and is limited by address."""

    http_method_names = ["post"]
    authentication_classes = ()

    def perform_content_negotiation(self, request: Request, force: bool = False) -> tuple[BaseRenderer, str]:  # noqa: ARG002, FBT001, FBT002
        """Always JSON."""
        return JSONRenderer(), "application/json"


class DeviceLoginView(AnonymousJsonView):
    """A program asks to be logged in: two codes, and where a person enters the short one."""

    def post(self, request: Request) -> Response:
        """Begin; the body may say which `machine` it is."""
        codes = device_login_begin(machine=_text(request, "machine"), address=client_address(request))
        page = portal_base_url(base_url(request)) + CODE_PAGE
        body = {
            "device_code": codes.device_code,
            "user_code": codes.user_code,
            "verification_uri": page,
            "verification_uri_complete": f"{page}?code={codes.user_code}",
            "expires_in": codes.seconds,
            "interval": codes.poll_seconds,
        }
        return Response(body, headers=_NO_STORE)


class DeviceTokenView(AnonymousJsonView):
    """The program asks again and again whether it has been allowed."""

    def post(self, request: Request) -> Response:
        """The key, once; else RFC 8628's word for why there is none."""
        try:
            found = device_login_fetch(_text(request, "device_code"))
        except DeviceLoginRefused as refusal:
            return Response({"error": refusal.word}, status=400, headers=_NO_STORE)
        place = wire_id("a", found.environment_id) if found.environment_id else None
        body = {"access_key": found.access_key, "secret_key": found.secret_key, "environment": place}
        return Response(body, headers=_NO_STORE)


def _text(request: Request, name: str) -> str:
    data: Any = request.data
    value = data.get(name) if isinstance(data, dict) else None
    return value if isinstance(value, str) else ""
