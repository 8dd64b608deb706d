"""Which process holds the tunnel of which host: columns on the host, renewed by the holder, free once they run out."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from datetime import timedelta

from django.db.models import Q
from django.utils import timezone

from apps.control.queue import enqueue
from apps.hosts.models import AGENT_SCHEME, AgentCredential, Host

LEASE_DURATION = timedelta(seconds=15)
HOLDER_ID = f"tun-{uuid.uuid4().hex[:12]}"
_RELEASED = {"gateway": "", "gateway_until": None, "tunnel_socket": "", "tunnel_address": ""}


def acquire(host_id: int, socket: str, address: str) -> None:
    """Our process holds the host's tunnel now, whoever did before; the host is requeued."""
    owned = {"gateway": HOLDER_ID, "gateway_until": timezone.now() + LEASE_DURATION}
    Host.all_objects.filter(pk=host_id).update(**owned, tunnel_socket=socket, tunnel_address=address)
    enqueue("host", host_id)


def release(host_id: int, socket: str) -> None:
    """The tunnel behind `socket` is gone; a no-op if another has taken its place meanwhile."""
    if Host.all_objects.filter(pk=host_id, gateway=HOLDER_ID, tunnel_socket=socket).update(**_RELEASED):
        enqueue("host", host_id)


def renew(owned: Collection[tuple[int, str]]) -> set[str]:
    """Renew the leases of the (host, socket) pairs; return the sockets of those that are no longer ours."""
    mine = Host.all_objects.filter(gateway=HOLDER_ID, tunnel_socket__in=[socket for _host, socket in owned])
    mine.update(gateway_until=timezone.now() + LEASE_DURATION)
    still = set(mine.filter(removed=None).values_list("tunnel_socket", flat=True))
    return {socket for _host, socket in owned} - still


def revoked_credentials(credential_ids: Collection[int]) -> set[int]:
    """Which of the credentials were revoked."""
    ended = Q(revoked__isnull=False) | Q(host__removed__isnull=False)
    rows = AgentCredential.objects.filter(ended, pk__in=credential_ids)
    return set(rows.values_list("pk", flat=True))


def release_expired() -> int:
    """Release and requeue the hosts whose process died without releasing them; return how many."""
    late = Host.all_objects.filter(url__startswith=AGENT_SCHEME, gateway_until__lt=timezone.now()).exclude(gateway="")
    freed = 0
    for key in list(late.values_list("pk", flat=True)):
        if late.filter(pk=key).update(**_RELEASED):
            freed += 1
            enqueue("host", key)
    return freed
