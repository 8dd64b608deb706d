"""One-time rights to open a WebSocket."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from django.utils import timezone

from apps.accounts.models import ApiKey
from apps.environments.access import Actor
from apps.environments.models import SocketTicket


def ticket_issue(
    *, actor: Actor, environment_id: int, verb: str, kind: str, target: int, details: Mapping[str, Any] | None = None
) -> str:
    """A one-time password, good for 30 s, for one verb on one thing over a WebSocket; the caller checked the right."""
    token = secrets.token_urlsafe(32)
    SocketTicket.objects.filter(expires__lt=timezone.now()).delete()
    SocketTicket.objects.create(
        digest=ApiKey.digest(token),
        account=actor.user,
        key=actor.api_key,
        session=actor.session,
        is_open=actor.is_stranger,
        environment_id=environment_id,
        verb=verb,
        kind=kind,
        target=target,
        details=dict(details or {}),
        expires=timezone.now() + SocketTicket.LIFE,
    )
    return token


def ticket_redeem(token: str, verb: str) -> SocketTicket | None:
    """The ticket behind `token` if it is for this verb, unused and in time; it is used up by this."""
    found = SocketTicket.objects.filter(digest=ApiKey.digest(token), verb=verb, expires__gt=timezone.now()).first()
    if found is None or not SocketTicket.objects.filter(pk=found.pk).delete()[0]:
        return None
    return found
