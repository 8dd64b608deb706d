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
from apps.hosts.tunnels import door, held, leases
from apps.hosts.tunnels.follow import Follower
from apps.hosts.tunnels.http import NoAnswer
from apps.hosts.tunnels.keys import portal_key
from apps.hosts.tunnels.line import Line
from apps.hosts.tunnels.ssh import ENGINE, dial
from apps.hosts.tunnels.work import in_thread

if TYPE_CHECKING:
    from asyncssh import SSHClientConnection

log = logging.getLogger(__name__)

AT_ONCE = 8
"""How many handshakes run at the same time: after a restart all agents come at once."""

_turns: dict[asyncio.AbstractEventLoop, asyncio.Semaphore] = {}


class Tunnel:
    """Made when an agent has proved itself; `run` lasts as long as the tunnel does. Belongs to one event loop."""

    def __init__(self, credential: AgentCredential, peer: str) -> None:
        self.loop = asyncio.get_running_loop()
        self.credential_id = credential.pk
        self.host_id = credential.host_id
        self.host_uuid = str(credential.host.uuid)
        self.line = Line(peer)
        self.socket = str(folder() / f"{self.host_id}-{secrets.token_hex(3)}.sock")
        self.is_announced = False
        self.connection: SSHClientConnection | None = None
        self._host_key = credential.public_key
        self._end: asyncio.Future[tuple[int, str]] = self.loop.create_future()

    async def run(self) -> tuple[int, str]:
        """Open, announce, follow until the end; the code and reason to close the WebSocket with."""
        import asyncssh

        try:
            await self._open()
            await self._serve()
        except (asyncssh.Error, OSError, TimeoutError, NoAnswer) as error:
            log.info("tunnel of host %s: %s", self.host_id, error)
            self.end(1011, f"The tunnel could not be opened: {error}")
        finally:
            await self._close()
        return await self._end

    def end(self, code: int, reason: str) -> None:
        """Have the tunnel end; the first reason given is the one that counts."""
        if not self._end.done():
            self._end.set_result((code, reason))

    async def _open(self) -> None:
        keys = await in_thread(portal_key)
        async with _turns.setdefault(self.loop, asyncio.Semaphore(AT_ONCE)):
            self.connection = await dial(self.line, keys.private, self._host_key)
            await self.connection.forward_local_path(self.socket, ENGINE)

    async def _serve(self) -> None:
        assert self.connection is not None  # noqa: S101 - for mypy: `_open` was first
        follower = Follower(self.host_id, self.connection)
        await follower.greet()
        held.hold(self)
        await in_thread(leases.announce, self.host_id, self.socket, await door.address())
        self.is_announced = True
        following: asyncio.Future[Any] = self.loop.create_task(follower.run())
        broken: asyncio.Future[Any] = self.loop.create_task(self.connection.wait_closed())
        ends: list[asyncio.Future[Any]] = [following, broken, self._end]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        for task in (following, broken):
            task.cancel()
        await asyncio.gather(following, broken, return_exceptions=True)
        self.end(1011, "The agent does not answer any more.")

    async def _close(self) -> None:
        held.let_go(self)
        if self.connection is not None:
            self.connection.abort()
        await asyncio.shield(in_thread(self._forget))

    def _forget(self) -> None:
        Path(self.socket).unlink(missing_ok=True)
        leases.withdraw(self.host_id, self.socket)

    async def open_engine(self) -> tuple[Any, Any]:
        """A stream to the engine, for another process."""
        if self.connection is None:
            raise OSError("the tunnel is not up")
        return await self.connection.open_unix_connection(ENGINE, encoding=None)


@functools.cache
def folder() -> Path:
    """Where the tunnels' ends are, for this user only; those of processes that are gone are swept away."""
    found = Path(settings.RUN_DIR) / "hosts"
    found.mkdir(mode=0o700, parents=True, exist_ok=True)
    found.chmod(0o700)
    for path in found.glob("*.sock"):
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(str(path)):
                path.unlink(missing_ok=True)
    return found
