"""Completing audit entries with how the API answered the request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rest_framework.request import Request
from rest_framework.response import Response

from apps.api.wire.kinds import internal_name
from apps.control.services import record_response
from apps.core.models import Managed
from apps.environments.access import environment_of

if TYPE_CHECKING:
    from apps.api.wire.view import ApiView

MAX_EVENT_LENGTH = 96  # of v1's word: an action is whatever a client writes
_ACTION_BY_METHOD = {"POST": "create", "PUT": "update", "DELETE": "remove"}


def complete_audit_entries(view: ApiView, request: Request, response: Response) -> None:
    """Complete the entries of this request, or write one for what was refused."""
    if request.method not in _ACTION_BY_METHOD:
        return
    body = request.data
    action = request.query_params.get("action") or _ACTION_BY_METHOD[request.method]
    record_response(
        view.caller.actor,
        response.status_code,
        response.data,
        event=internal_name(f"{view.resource.name if view.resource else 'request'}.{action}"[:MAX_EVENT_LENGTH]),
        environment_id=_environment_id(view),
        request=dict(body) if isinstance(body, dict) else {},
    )


def _environment_id(view: ApiView) -> int | None:
    """The environment that the request was about."""
    if isinstance(view.row, Managed):
        return environment_of(view.row)
    environment = view.caller.environment
    return environment.pk if environment is not None else None
