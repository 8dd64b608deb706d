"""`/v1/tokenexchange`: how a job of CI exchanges its identity token for a short key, with RFC 8693's parameters."""

from __future__ import annotations

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from apps.api.resources.device_login import AnonymousJsonView
from apps.api.wire.origin import client_address
from apps.core.ids import row_number, wire_id
from apps.federation.exchange import ExchangeRequest, TokenRefused, token_exchange

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:token-exchange"
ID_TOKEN, JWT = "urn:ietf:params:oauth:token-type:id_token", "urn:ietf:params:oauth:token-type:jwt"
_NO_STORE = {"Cache-Control": "no-store"}


class TokenExchangeView(AnonymousJsonView):
    """Takes a token, in JSON or as a form, and gives a key; who calls has no key yet."""

    def post(self, request: Request) -> Response:
        """The key; else RFC 6749's word for why there is none, and a sentence."""
        data = request.data if isinstance(request.data, dict) else {}
        if _text(data, "grant_type") != GRANT_TYPE:
            return _refuse("unsupported_grant_type", f"grant_type must be {GRANT_TYPE}.")
        if _text(data, "subject_token_type") not in {ID_TOKEN, JWT}:
            return _refuse("invalid_request", f"subject_token_type must be {ID_TOKEN} or {JWT}.")
        token = _text(data, "subject_token")
        if not token:
            return _refuse("invalid_request", "subject_token is missing: the identity token of the job.")
        environment = row_number(_text(data, "audience").rstrip("/").rpartition("/")[2])
        if environment is None:
            return _refuse(
                "invalid_request",
                "audience must be the id of the environment in which the key is to act, such as 1a5, or its API URL.",
            )
        try:
            found = token_exchange(ExchangeRequest(token, environment, client_address(request)))
        except TokenRefused as problem:
            return _refuse("invalid_request", problem.message)
        body = {
            "access_key": found.access_key,
            "secret_key": found.secret_key,
            "environment": wire_id("a", found.environment.pk),
            "environment_name": found.environment.name,
            "role": found.role,
            "expires_in": found.expires_in,
        }
        return Response(body, headers=_NO_STORE)


def _text(data: dict[str, Any], name: str) -> str:
    value = data.get(name)
    return value if isinstance(value, str) else ""


def _refuse(word: str, text: str) -> Response:
    return Response({"error": word, "error_description": text}, status=400, headers=_NO_STORE)
