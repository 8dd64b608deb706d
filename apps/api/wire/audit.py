"""Completing the audit entries of a request with how the API answered it."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import SuspiciousOperation
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.response import Response

from apps.api.wire.context import ApiCaller
from apps.api.wire.kinds import internal_name
from apps.api.wire.resource import Resource
from apps.control.services import record_response
from apps.core.errors import Problem
from apps.core.models import Managed
from apps.environments.access import environment_of

MAX_EVENT_LENGTH = 96  # of v1's word: an action is whatever a client writes
_ACTION_BY_METHOD = {"POST": "create", "PUT": "update", "DELETE": "remove"}


def complete_audit_entries(
    caller: ApiCaller, resource: Resource | None, row: Any, request: Request, response: Response
) -> None:
    """Add the response to the entries of this request, or write one for a request that was refused."""
    if request.method not in _ACTION_BY_METHOD:
        return
    if caller.actor.user is None:
        return
    body = _read_body(request)
    action = request.query_params.get("action") or _ACTION_BY_METHOD[request.method]
    record_response(
        caller.actor,
        response.status_code,
        response.data,
        event=internal_name(f"{resource.name if resource else 'request'}.{action}"[:MAX_EVENT_LENGTH]),
        environment_id=_environment_id(caller, row),
        request=_request(resource, row, body),
    )


def _request(resource: Resource | None, row: Any, body: Any) -> dict[str, Any]:
    """What was requested, as far as it may be kept."""
    if not isinstance(body, dict):
        return {}
    return resource.auditable(row, body) if resource is not None else dict(body)


def _read_body(request: Request) -> Any:
    """The body, if it can be read: a refusal may come before anybody tried, and is recorded nevertheless."""
    try:
        return request.data
    except (Problem, APIException, SuspiciousOperation, OSError):
        return {}


def _environment_id(caller: ApiCaller, row: Any) -> int | None:
    """The environment that the request was about."""
    if isinstance(row, Managed):
        return environment_of(row)
    return caller.environment.pk if caller.environment is not None else None
