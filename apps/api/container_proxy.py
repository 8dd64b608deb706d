"""`/v1/container-proxy/<path>`: one request to a port of a container, by a ticket of the container's action `proxy`."""

from __future__ import annotations

from urllib.parse import quote

from django.http import HttpResponse
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from apps.api.wire.errors import BodyTooLarge
from apps.api.wire.origin import client_address
from apps.containers.http_proxy import MAX_REQUEST, METHODS, ProxyFailed, proxied_request
from apps.containers.models import Container
from apps.containers.stream_audit import audited
from apps.containers.streams import shell_verdict
from apps.core.errors import Forbidden, NotFound, Unauthorized
from apps.drivers.base import EngineError
from apps.environments.socket_credentials import credentials_of_ticket

VERB, EVENT = "proxy", "container.proxy"
# The answer is a container's, at the portal's own address: a browser must not let it do anything there.
_HARMLESS = {
    "Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class ContainerProxyView(APIView):
    """Passes a request on and answers with what came back."""

    http_method_names = [name.lower() for name in METHODS]
    authentication_classes = ()

    def perform_content_negotiation(self, request: Request, force: bool = False) -> tuple[BaseRenderer, str]:  # noqa: ARG002, FBT001, FBT002
        """Refusals are JSON, whatever the container's answer would have been."""
        return JSONRenderer(), "application/json"

    def _pass_on(self, request: Request, path: str | None = None) -> HttpResponse:
        """The container's answer. The ticket is checked as a socket's, and what it was for is checked again."""
        path = path or ""
        credentials = credentials_of_ticket(_token(request), VERB, client_address(request))
        actor = credentials.actor() if credentials is not None else None
        if credentials is None or actor is None or credentials.ticket is None:
            raise Unauthorized("The ticket is not valid: request one with proxy; it works once, within 30 seconds.")
        ticket = credentials.ticket
        rows = Container.objects.within(actor.environments("view", everything=True)).select_related("host")
        row = rows.filter(pk=ticket.target, removed=None).first()
        if row is None:
            raise NotFound("There is no such container.")
        body: bytes = request._request.read(MAX_REQUEST + 1)  # noqa: SLF001 - passed on as it is
        if len(body) > MAX_REQUEST:
            raise BodyTooLarge("A body has at most 1 MB here.")
        port, target = int(ticket.details["port"]), _target(request, path)
        details = {"port": port, "method": request.method, "path": f"/{path}"[:500]}
        with audited(EVENT, actor=actor, row=row, environment_id=row.environment_id, request=details):
            if not (allowed := shell_verdict(actor, row)):
                raise Forbidden(allowed.reason)
            try:
                answer = proxied_request(row, port, str(request.method), target, request.headers.items(), body)
            except EngineError as error:
                raise ProxyFailed(str(error)) from None
        return HttpResponse(answer.body, status=answer.status, headers={**dict(answer.headers), **_HARMLESS})

    get = head = post = put = patch = delete = _pass_on


def _token(request: Request) -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else request.query_params.get("token", "")


def _target(request: Request, path: str) -> str:
    """The path and query for the container, without the ticket."""
    query = request.query_params.copy()
    query.pop("token", None)
    return quote(f"/{path}", safe="/:@!$&'()*+,;=~") + (f"?{query.urlencode()}" if query else "")
