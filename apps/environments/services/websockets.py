"""WebSockets: one-time tickets to open one, and the register of open ones across processes."""

from __future__ import annotations

import os
import secrets
import uuid
from collections.abc import Mapping
from typing import Any

from django.utils import timezone

from apps.accounts.models import ApiKey
from apps.environments.actor import Actor
from apps.environments.models import OpenSocket, SocketTicket

PROCESS_ID = f"{os.getpid()}-{uuid.uuid4().hex}"
"""Unique among all processes, here and on other machines."""


def socket_register(**what: Any) -> int:
    """Register an open socket: account, key, environment, verb, permission, address. Returns the row's key."""
    now = timezone.now()
    OpenSocket.objects.filter(seen__lt=now - 5 * OpenSocket.STALE).delete()
    return int(OpenSocket.objects.create(process=PROCESS_ID, **what).pk)


def socket_unregister(key: int) -> None:
    """Remove a socket from the register."""
    OpenSocket.objects.filter(pk=key).delete()


def sockets_heartbeat() -> None:
    """Renew the registration of this process's sockets."""
    OpenSocket.objects.filter(process=PROCESS_ID).update(seen=timezone.now())


def ticket_issue(
    *, actor: Actor, environment_id: int, verb: str, kind: str, target: int, details: Mapping[str, Any] | None = None
) -> str:
    """A one-time password, good for 30 s, for one verb on one target over a WebSocket; the permission was checked."""
    token = secrets.token_urlsafe(32)
    SocketTicket.objects.filter(expires__lt=timezone.now()).delete()
    SocketTicket.objects.create(
        digest=ApiKey.digest(token),
        account=actor.user,
        key=actor.api_key,
        session=actor.session,
        via_open_mode=actor.is_anonymous,
        environment_id=environment_id,
        verb=verb,
        kind=kind,
        target=target,
        details=dict(details or {}),
        expires=timezone.now() + SocketTicket.LIFE,
    )
    return token


def ticket_redeem(token: str, verb: str) -> SocketTicket | None:
    """The ticket behind `token` if it is for this verb, unused and not expired; redeeming uses it up."""
    found = SocketTicket.objects.filter(digest=ApiKey.digest(token), verb=verb, expires__gt=timezone.now()).first()
    if found is None or not SocketTicket.objects.filter(pk=found.pk).delete()[0]:
        return None
    return found
