"""`/v1-webhooks/<uuid>`: where deploy webhooks are called. Nobody logs in here: the signature is the credential."""

from __future__ import annotations

from typing import Any

from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.selectors import throttle_address
from apps.api.wire.errors import BodyTooLarge
from apps.api.wire.origin import client_address
from apps.api.wire.resource import id_prefix_of
from apps.api.wire.token_bucket import TokenBuckets
from apps.core.errors import TooManyRequests
from apps.core.ids import wire_id
from apps.stacks.webhooks.call_body import MAX_BODY
from apps.stacks.webhooks.receiving import (
    CallAnswer,
    WrongCall,
    deploy_webhook_call,
    describe_answer,
    find_called,
    note_refusal,
)
from apps.stacks.webhooks.signature import SIGNATURE_HEADER, TIMESTAMP_HEADER, parse_signature

_NO_STORE = {"Cache-Control": "no-store"}

failures = TokenBuckets(capacity=40, period=300.0)
"""How many wrong calls of one address are looked at; a right one is, however many wrong ones came from there."""


class DeployWebhookView(APIView):
    """Receives the call of one webhook."""

    http_method_names = ["post"]
    authentication_classes = ()

    def perform_content_negotiation(self, request: Request, force: bool = False) -> tuple[BaseRenderer, str]:  # noqa: ARG002, FBT001, FBT002
        """Always JSON."""
        return JSONRenderer(), "application/json"

    def post(self, request: Request, key: str) -> Response:
        """Verify the call and do what it asks for; 202 says what was begun."""
        address, body = client_address(request), _read_body(request)
        signature = parse_signature(
            request.headers.get(TIMESTAMP_HEADER, ""), request.headers.get(SIGNATURE_HEADER, "")
        )
        try:
            row = find_called(key, signature, body)
        except WrongCall as problem:
            _count(problem, address)
            raise
        return Response(_serialize(deploy_webhook_call(row, signature, body, address=address)), 202, headers=_NO_STORE)


def _count(problem: WrongCall, address: str) -> None:
    """Note a wrong call to a known webhook. Raises `TooManyRequests`, and writes nothing, after too many of them."""
    wait = failures.take(throttle_address(address))
    if wait:
        why = "Too many wrong calls from this address: check the URL, the secret and the clock, then wait."
        raise TooManyRequests(why, retry_after=int(wait) + 1) from None
    if problem.row is not None:
        note_refusal(problem.row, problem.reason, address)


def _read_body(request: Request) -> bytes:
    """The body as it was sent, which is what was signed. Raises `BodyTooLarge`."""
    raw: bytes = request._request.read(MAX_BODY + 1)  # noqa: SLF001 - nothing may have parsed it before
    if len(raw) > MAX_BODY:
        raise BodyTooLarge(f"The body of a call has at most {MAX_BODY // 1024} KB.")
    return raw


def _serialize(answer: CallAnswer) -> dict[str, Any]:
    row, result = answer.row, answer.result
    operation = result.operation
    return {
        "type": "deployWebhookAnswer",
        "webhookId": wire_id(id_prefix_of("deployWebhook"), row.pk),
        "serviceId": wire_id(id_prefix_of("service"), result.service.pk),
        "operationId": wire_id(id_prefix_of("processInstance"), operation.pk) if operation is not None else None,
        **describe_answer(answer),
    }
