"""The tunnels that this process holds, and the task that renews their leases."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from apps.hosts.tunnels import leases
from apps.hosts.tunnels.work import in_thread

if TYPE_CHECKING:
    from apps.hosts.tunnels.tunnel import Tunnel

log = logging.getLogger(__name__)

RENEW_EVERY = 5.0
REVOKED, REPLACED = 4401, 4409

_held: dict[str, Tunnel] = {}
_keepers: dict[asyncio.AbstractEventLoop, asyncio.Task[None]] = {}


def hold(tunnel: Tunnel) -> None:
    """The tunnel is up; an older one of the same host ends."""
    older = _held.get(tunnel.host_uuid)
    _held[tunnel.host_uuid] = tunnel
    if older is not None:
        older.end(REPLACED, "The agent has connected anew.")
    loop = asyncio.get_running_loop()
    if loop not in _keepers:
        _keepers[loop] = loop.create_task(_keep(loop))


def let_go(tunnel: Tunnel) -> None:
    """The tunnel is down."""
    if _held.get(tunnel.host_uuid) is tunnel:
        del _held[tunnel.host_uuid]


def tunnel_of(host_uuid: str) -> Tunnel | None:
    """The host's tunnel, if this process holds it."""
    return _held.get(host_uuid)


async def _keep(loop: asyncio.AbstractEventLoop) -> None:
    try:
        while mine := [tunnel for tunnel in _held.values() if tunnel.loop is loop]:
            try:
                await _check(mine)
            except Exception:  # the database may be away for a moment
                log.exception("leases of tunnels")
            await asyncio.sleep(RENEW_EVERY)
    finally:
        del _keepers[loop]


async def _check(mine: list[Tunnel]) -> None:
    """Renew; what another process holds by now, or whose credential ended while nobody could say so, is closed."""
    lost = await in_thread(leases.renew, [(tunnel.host_id, tunnel.socket) for tunnel in mine if tunnel.is_announced])
    ended = await in_thread(leases.revoked, [tunnel.credential_id for tunnel in mine])
    for tunnel in mine:
        if tunnel.credential_id in ended:
            tunnel.end(REVOKED, "This host was removed from the portal.")
        elif tunnel.socket in lost:
            tunnel.end(REPLACED, "The agent has connected to another process.")
