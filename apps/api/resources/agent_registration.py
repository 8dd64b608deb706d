"""Registration of host agents: a token's script, and the credential the token is exchanged for (contract, 4.1)."""

from __future__ import annotations

import base64
import binascii
from shlex import quote
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.api.wire.formats import V1Renderer
from apps.api.wire.origin import base_url, client_address
from apps.core.errors import Unauthorized
from apps.core.ids import wire_id
from apps.hosts.agents import agent_register, find_registration
from apps.hosts.models import AgentCredential, RegistrationToken
from apps.hosts.selectors import AGENT_CONTAINER, portal_base_url, registration_command, verify_token
from apps.hosts.tunnels.keys import get_portal_key

TOKEN_USER = "registrationToken"  # noqa: S105 - a user name

# The CATTLE_ names are those of Rancher's agent, which existing automation sets.
_SCRIPT = """#!/bin/sh
# Makes this machine a host of a Corral environment: run it with sh, or give its address to the agent's container.
CATTLE_URL={url}
CATTLE_REGISTRATION_ACCESS_KEY={user}
CATTLE_REGISTRATION_SECRET_KEY={token}
CATTLE_AGENT_IMAGE={image}
CATTLE_AGENT_IP="${{CATTLE_AGENT_IP:-}}"
CATTLE_HOST_LABELS="${{CATTLE_HOST_LABELS:-}}"
CORRAL_PORTAL_KEY={key}
export CATTLE_URL CATTLE_REGISTRATION_ACCESS_KEY CATTLE_REGISTRATION_SECRET_KEY CATTLE_AGENT_IMAGE
export CATTLE_AGENT_IP CATTLE_HOST_LABELS CORRAL_PORTAL_KEY

set -e
if command -v docker >/dev/null 2>&1; then
  if [ "$(docker inspect --format '{{{{.State.Running}}}}' {container} 2>/dev/null)" = true ]; then
    echo "The agent already runs here, as the container {container}."
    exit 0
  fi
  docker rm {container} >/dev/null 2>&1 || true
  exec docker run -d --name {container} --privileged --net=host \\
    -e "CATTLE_AGENT_IP=$CATTLE_AGENT_IP" -e "CATTLE_HOST_LABELS=$CATTLE_HOST_LABELS" \\
    -v /var/run/docker.sock:/var/run/docker.sock -v /var/lib/rancher:/var/lib/rancher \\
    "$CATTLE_AGENT_IMAGE" {script}
fi
if python3 -c 'import corral_agent' >/dev/null 2>&1; then
  exec python3 -m corral_agent {script}
fi
echo "Neither docker nor the Python package corral_agent is here: install Docker, then run this again." >&2
exit 1
"""


@require_safe
def registration_script(request: HttpRequest, token: str) -> HttpResponse:
    """The shell script behind a registration URL; invalid, expired and revoked tokens are all 404."""
    row = verify_token(token)
    if row is None:
        raise Http404
    base = portal_base_url(base_url(request))
    command = registration_command(row, f"{base}/v1")
    text = _SCRIPT.format(
        url=quote(f"{base}/v1"),
        user=TOKEN_USER,
        token=quote(token),
        image=quote(command["image"]),
        key=f'"{get_portal_key().public}"',
        container=AGENT_CONTAINER,
        script=quote(f"{base}/v1/scripts/{token}"),
    )
    return HttpResponse(text, content_type="text/plain; charset=utf-8", headers={"Cache-Control": "no-store"})


class AgentRegistrationView(APIView):
    """`/v1/registers`, for callers that authenticate with an environment's registration token."""

    http_method_names = ["get", "post", "head"]
    authentication_classes = ()
    renderer_classes = (V1Renderer,)
    token: RegistrationToken

    def perform_content_negotiation(self, request: Request, force: bool = False) -> tuple[BaseRenderer, str]:  # noqa: ARG002, FBT001, FBT002
        """Always JSON."""
        return V1Renderer(), "application/json"

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Verify the token, after REST framework's own checks."""
        super().initial(request, *args, **kwargs)
        found = verify_token(_token_from_request(request))
        if found is None:
            raise Unauthorized("Unauthorized")
        self.token = found

    def post(self, request: Request) -> Response:
        """Register a host; the secret is in this response only."""
        registered_agent = agent_register(self.token, request.data, address=client_address(request))
        base = portal_base_url(base_url(request))
        shown_once = {
            "secretKey": registered_agent.secret,
            "portalKey": get_portal_key().public,
            "tunnelUrl": f"ws{base.removeprefix('http')}/v1/agent",
        }
        return Response({**_serialize_registration(registered_agent.credential, base), **shown_once}, status=201)

    def get(self, request: Request) -> Response:
        """The registration made under the random key that the agent sent."""
        base = portal_base_url(base_url(request))
        row = find_registration(self.token, request.query_params.get("key", ""))
        data = [_serialize_registration(row, base)] if row else []
        links = {"self": f"{base}/v1/registers"}
        return Response({"type": "collection", "resourceType": "register", "links": links, "data": data})


def _serialize_registration(row: AgentCredential, base: str) -> dict[str, Any]:
    key = wire_id("go", row.pk)
    return {
        "id": key,
        "type": "register",
        "links": {"self": f"{base}/v1/registers/{key}"},
        "actions": {},
        "key": row.request,
        "state": "active",
        "created": row.created,
        "accessKey": row.access_key,
        "hostId": wire_id("h", row.host_id),
    }


def _token_from_request(request: Request) -> str:
    scheme, _, coded = request.headers.get("Authorization", "").partition(" ")
    try:
        user, _, token = base64.b64decode(coded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return ""
    return token if scheme.lower() == "basic" and user == TOKEN_USER else ""
