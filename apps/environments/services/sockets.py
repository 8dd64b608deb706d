"""The register of open WebSockets, across processes: what makes it possible to say how many lost their right."""

from __future__ import annotations

import os
import uuid
from typing import Any

from django.utils import timezone

from apps.environments.models import OpenSocket

PROCESS = f"{os.getpid()}-{uuid.uuid4().hex}"
"""What no other process is called, here or on another machine."""


def socket_opened(**what: Any) -> int:
    """Note an open socket: account, key, environment, verb, permission, address. Returns the row's key."""
    now = timezone.now()
    OpenSocket.objects.filter(seen__lt=now - 5 * OpenSocket.STALE).delete()
    return int(OpenSocket.objects.create(process=PROCESS, **what).pk)


def socket_closed(key: int) -> None:
    """Forget a socket."""
    OpenSocket.objects.filter(pk=key).delete()


def sockets_seen() -> None:
    """Confirm that this process still holds its sockets."""
    OpenSocket.objects.filter(process=PROCESS).update(seen=timezone.now())
