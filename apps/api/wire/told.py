"""Telling the audit log how the API answered what changes things."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rest_framework.request import Request
from rest_framework.response import Response

from apps.control.services import answered
from apps.core.models import Managed
from apps.environments.access import environment_of

if TYPE_CHECKING:
    from apps.api.wire.view import ApiView

_VERBS = {"POST": "create", "PUT": "update", "DELETE": "remove"}


def tell(view: ApiView, request: Request, response: Response) -> None:
    """Complete the lines of this request, or write one for what was refused."""
    if request.method not in _VERBS:
        return
    body = request.data
    word = request.query_params.get("action") or _VERBS[request.method]
    answered(
        view.caller.actor,
        response.status_code,
        response.data,
        event=f"{view.resource.name if view.resource else 'request'}.{word}"[:96],
        environment_id=_place(view),
        request=dict(body) if isinstance(body, dict) else {},
    )


def _place(view: ApiView) -> int | None:
    """The environment that the request was about."""
    if isinstance(view.row, Managed):
        return environment_of(view.row)
    environment = view.caller.environment
    return environment.pk if environment is not None else None
