"""The tunnels that this process holds, and the task that renews their leases."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from apps.hosts.tunnels import leases
from apps.hosts.tunnels.threads import run_in_thread

if TYPE_CHECKING:
    from apps.hosts.tunnels.tunnel import AgentTunnel

log = logging.getLogger(__name__)

RENEW_EVERY = 5.0
REVOKED, REPLACED = 4401, 4409

_tunnels: dict[str, AgentTunnel] = {}
_renewal_tasks: dict[asyncio.AbstractEventLoop, asyncio.Task[None]] = {}


def register(tunnel: AgentTunnel) -> None:
    """Register a tunnel that is up; an older one of the same host is closed."""
    previous = _tunnels.get(tunnel.host_uuid)
    _tunnels[tunnel.host_uuid] = tunnel
    if previous is not None:
        previous.end(REPLACED, "The agent has connected again.")
    loop = asyncio.get_running_loop()
    if loop not in _renewal_tasks:
        _renewal_tasks[loop] = loop.create_task(_renew_leases(loop))


def unregister(tunnel: AgentTunnel) -> None:
    """Unregister a tunnel that is down."""
    if _tunnels.get(tunnel.host_uuid) is tunnel:
        del _tunnels[tunnel.host_uuid]


def find_tunnel(host_uuid: str) -> AgentTunnel | None:
    """The host's tunnel, if this process holds it."""
    return _tunnels.get(host_uuid)


async def _renew_leases(loop: asyncio.AbstractEventLoop) -> None:
    try:
        while own_tunnels := [tunnel for tunnel in _tunnels.values() if tunnel.loop is loop]:
            try:
                await _check_tunnels(own_tunnels)
            except Exception:  # the database may be away for a moment
                log.exception("leases of tunnels")
            await asyncio.sleep(RENEW_EVERY)
    finally:
        del _renewal_tasks[loop]


async def _check_tunnels(own_tunnels: list[AgentTunnel]) -> None:
    """Renew the leases; close tunnels that another process holds by now, or whose credential was revoked elsewhere."""
    lost_sockets = await run_in_thread(
        leases.renew, [(tunnel.host_id, tunnel.socket) for tunnel in own_tunnels if tunnel.has_lease]
    )
    revoked_ids = await run_in_thread(leases.revoked_credentials, [tunnel.credential_id for tunnel in own_tunnels])
    for tunnel in own_tunnels:
        if tunnel.credential_id in revoked_ids:
            tunnel.end(REVOKED, "This host was removed from the portal.")
        elif tunnel.socket in lost_sockets:
            tunnel.end(REPLACED, "The agent has connected to another process.")
