"""One tunnel: from the agent's WebSocket to a unix socket that leads to its engine."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import secrets
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings

from apps.drivers import registry
from apps.hosts.models import AgentCredential, Host
from apps.hosts.selectors import endpoint_of
from apps.hosts.tunnels import leases, open_tunnels, relay_server
from apps.hosts.tunnels.agent_http import AgentResponseError
from apps.hosts.tunnels.follower import HostFollower
from apps.hosts.tunnels.keys import get_portal_key
from apps.hosts.tunnels.ssh_client import ENGINE_SOCKET, connect_ssh
from apps.hosts.tunnels.threads import run_in_thread
from apps.hosts.tunnels.websocket_transport import WebSocketTransport

if TYPE_CHECKING:
    from asyncssh import SSHClientConnection

log = logging.getLogger(__name__)

MAX_CONCURRENT_OPENINGS, LONGEST_OPENING = 8, 3.0
"""How many tunnels are opened at the same time, and for how many seconds one may keep others waiting.

After a restart all agents connect at once. Were all served at once, each would wait for all others at every step, run
into its time-outs, and begin again.
"""

_opening_slots: dict[asyncio.AbstractEventLoop, asyncio.Semaphore] = {}


@contextlib.asynccontextmanager
async def _opening(loop: asyncio.AbstractEventLoop) -> AsyncIterator[None]:
    """Open a tunnel when it is its turn."""
    slots = _opening_slots.setdefault(loop, asyncio.Semaphore(MAX_CONCURRENT_OPENINGS))
    with contextlib.ExitStack() as turn:
        await slots.acquire()
        turn.callback(slots.release)
        overdue = loop.call_later(LONGEST_OPENING, lambda: turn.pop_all().close())
        turn.callback(overdue.cancel)
        yield


class AgentTunnel:
    """Created for an authenticated agent; `run` lasts as long as the tunnel does. Belongs to one event loop."""

    def __init__(self, credential: AgentCredential, peer: str) -> None:
        self.loop = asyncio.get_running_loop()
        self.credential_id = credential.pk
        self.host_id = credential.host_id
        self.host_uuid = str(credential.host.uuid)
        self.transport = WebSocketTransport(peer)
        self.socket = str(socket_folder() / f"{self.host_id}-{secrets.token_hex(3)}.sock")
        self.has_lease = False
        self.connection: SSHClientConnection | None = None
        self._host_key = credential.public_key
        self._end: asyncio.Future[tuple[int, str]] = self.loop.create_future()

    async def run(self) -> tuple[int, str]:
        """Open, register and follow until the end; return the code and reason to close the WebSocket with."""
        import asyncssh

        try:
            async with _opening(self.loop):
                await self._connect()
                follower = await self._register()
            await self._serve(follower)
        except (asyncssh.Error, OSError, TimeoutError, AgentResponseError) as error:
            log.info("tunnel of host %s: %s", self.host_id, error)
            self.end(1011, f"The tunnel could not be opened: {error}")
        finally:
            await self._close()
        return await self._end

    def end(self, code: int, reason: str) -> None:
        """End the tunnel; the first reason given is kept."""
        if not self._end.done():
            self._end.set_result((code, reason))

    async def _connect(self) -> None:
        keys = await run_in_thread(get_portal_key)
        self.connection = await connect_ssh(self.transport, keys.private, self._host_key)
        await self.connection.forward_local_path(self.socket, ENGINE_SOCKET)

    async def _register(self) -> HostFollower:
        assert self.connection is not None  # noqa: S101 - for mypy: `_connect` was first
        follower = HostFollower(self.host_id, self.connection)
        await follower.handshake()
        open_tunnels.register(self)
        await run_in_thread(leases.acquire, self.host_id, self.socket, await relay_server.listen_address())
        self.has_lease = True
        return follower

    async def _serve(self, follower: HostFollower) -> None:
        assert self.connection is not None  # noqa: S101 - as above
        following: asyncio.Future[Any] = self.loop.create_task(follower.run())
        broken: asyncio.Future[Any] = self.loop.create_task(self.connection.wait_closed())
        ends: list[asyncio.Future[Any]] = [following, broken, self._end]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        for task in (following, broken):
            task.cancel()
        await asyncio.gather(following, broken, return_exceptions=True)
        self.end(1011, "The agent does not answer any more.")

    async def _close(self) -> None:
        open_tunnels.unregister(self)
        if self.connection is not None:
            self.connection.abort()
        await asyncio.shield(run_in_thread(self._release))

    def _release(self) -> None:
        Path(self.socket).unlink(missing_ok=True)
        leases.release(self.host_id, self.socket)
        if self.has_lease and open_tunnels.find_tunnel(self.host_uuid) is None:
            # What spoke through it is of no use any more: kept for hosts that never return, it would only grow.
            for host in Host.all_objects.filter(pk=self.host_id):
                registry.discard_driver(endpoint_of(host))

    async def open_engine(self) -> tuple[Any, Any]:
        """A stream to the engine, for another process."""
        if self.connection is None:
            raise OSError("the tunnel is not up")
        return await self.connection.open_unix_connection(ENGINE_SOCKET, encoding=None)


@functools.cache
def socket_folder() -> Path:
    """The folder of the tunnels' sockets, for this user only; those of processes that are gone are deleted."""
    found = Path(settings.RUN_DIR) / "hosts"
    found.mkdir(mode=0o700, parents=True, exist_ok=True)
    found.chmod(0o700)
    for path in found.glob("*.sock"):
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(str(path)):
                path.unlink(missing_ok=True)
    return found
