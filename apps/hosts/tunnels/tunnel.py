"""One tunnel: from the agent's WebSocket to a unix socket that leads to its engine."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import secrets
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings

from apps.hosts.models import AgentCredential
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

MAX_CONCURRENT_HANDSHAKES = 8
"""How many handshakes run at the same time: after a restart all agents connect at once."""

_handshake_slots: dict[asyncio.AbstractEventLoop, asyncio.Semaphore] = {}


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
            await self._open()
            await self._serve()
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

    async def _open(self) -> None:
        keys = await run_in_thread(get_portal_key)
        async with _handshake_slots.setdefault(self.loop, asyncio.Semaphore(MAX_CONCURRENT_HANDSHAKES)):
            self.connection = await connect_ssh(self.transport, keys.private, self._host_key)
            await self.connection.forward_local_path(self.socket, ENGINE_SOCKET)

    async def _serve(self) -> None:
        assert self.connection is not None  # noqa: S101 - for mypy: `_open` was first
        follower = HostFollower(self.host_id, self.connection)
        await follower.handshake()
        open_tunnels.register(self)
        await run_in_thread(leases.acquire, self.host_id, self.socket, await relay_server.listen_address())
        self.has_lease = True
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
