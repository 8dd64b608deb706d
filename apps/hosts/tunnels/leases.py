"""Which process holds the tunnel of which host: columns on the host, renewed by the holder, free once they run out."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from datetime import timedelta

from django.db.models import Q
from django.utils import timezone

from apps.control.wake import send
from apps.hosts.models import AGENT, AgentCredential, Host

LEASE = timedelta(seconds=15)
HOLDER = f"tun-{uuid.uuid4().hex[:12]}"
_FREE = {"gateway": "", "gateway_until": None, "tunnel_socket": "", "tunnel_address": ""}


def announce(host_id: int, socket: str, address: str) -> None:
    """Our process holds the host's tunnel now, whoever did before; the loop looks at the host."""
    held = {"gateway": HOLDER, "gateway_until": timezone.now() + LEASE}
    Host.all_objects.filter(pk=host_id).update(**held, tunnel_socket=socket, tunnel_address=address)
    send("host", host_id)


def withdraw(host_id: int, socket: str) -> None:
    """The tunnel that ended at `socket` is gone; nothing happens if another took its place meanwhile."""
    if Host.all_objects.filter(pk=host_id, gateway=HOLDER, tunnel_socket=socket).update(**_FREE):
        send("host", host_id)


def renew(held: Collection[tuple[int, str]]) -> set[str]:
    """Renew the leases of the (host, socket) pairs; the sockets of those that are ours no more."""
    mine = Host.all_objects.filter(gateway=HOLDER, tunnel_socket__in=[socket for _host, socket in held])
    mine.update(gateway_until=timezone.now() + LEASE)
    still = set(mine.filter(removed=None).values_list("tunnel_socket", flat=True))
    return {socket for _host, socket in held} - still


def revoked(credential_ids: Collection[int]) -> set[int]:
    """Which of the credentials have ended."""
    ended = Q(revoked__isnull=False) | Q(host__removed__isnull=False)
    rows = AgentCredential.objects.filter(ended, pk__in=credential_ids)
    return set(rows.values_list("pk", flat=True))


def free_expired() -> int:
    """Free the hosts whose holder died without a word, and have the loop see that; how many there were."""
    late = Host.all_objects.filter(url__startswith=AGENT, gateway_until__lt=timezone.now()).exclude(gateway="")
    freed = 0
    for key in list(late.values_list("pk", flat=True)):
        if late.filter(pk=key).update(**_FREE):
            freed += 1
            send("host", key)
    return freed
