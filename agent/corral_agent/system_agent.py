"""The agent as the portal's system container: the portal has the engine already, and brings documents and checks.

Nothing is registered and nothing is dialled: the portal comes in through the engine (`stdio.py`), and is let in by
its key, which it has put into this container's environment.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import signal
import socket
import stat
from pathlib import Path

from corral_agent import keys, stdio
from corral_agent.agent_api import AgentApi
from corral_agent.documents import HostDocuments
from corral_agent.engine import Engine
from corral_agent.engine_proxy.proxy import EngineProxy
from corral_agent.event_watcher import EventWatcher
from corral_agent.journal import Journal
from corral_agent.leave import LEFT
from corral_agent.network.engine_network import EngineNetwork, EngineSilent
from corral_agent.network.removal import remove_devices
from corral_agent.options import BadOption
from corral_agent.threads import run_in_thread
from corral_agent.tunnel import PortalSession, TunnelClosed, TunnelRefused

log = logging.getLogger("corral_agent")

_NETWORK = "corral"
_TUN = Path("/dev/net/tun")


class SystemAgent:
    """Serves the portal's sessions on a unix socket of this container, until it is cancelled."""

    def __init__(self, engine: Engine, folder: Path, portal_key: str, path: str = stdio.PORTAL_SOCKET) -> None:
        self._engine, self._folder, self._path = engine, folder, Path(path)
        try:
            # Whoever controls the engine controls this container, so a key that outlives it would prove nothing.
            self._portal = PortalSession(keys.create_private_key(), portal_key)
        except keys.BadKey as error:
            raise BadOption(f"CORRAL_PORTAL_KEY: {error}.") from None
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._checks = engine.check_runner()
        self._documents = HostDocuments(folder, engine.document_handlers(folder))
        self._journal = Journal(folder)
        watcher = EventWatcher(engine, self._journal)
        agent_api = AgentApi(engine, self._journal, watcher, self._checks, self._documents, read_only=False)
        self._proxy = EngineProxy(engine.open, agent_api, agent_api.put, passes_engine=False)
        self._sessions: set[asyncio.Task[None]] = set()
        self._leave_requested = asyncio.Event()

    async def run(self) -> None:
        """Run until cancelled."""
        _make_tun_device()
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, self._leave_requested.set)
        self._documents.start()
        serving = asyncio.ensure_future(self._serve_sessions())
        try:
            await self._leave_requested.wait()
            await self._close(serving)
            await self._leave()
            await asyncio.Event().wait()  # ending would have the engine start this container again
        finally:
            await self._close(serving)

    async def _close(self, serving: asyncio.Future[None]) -> None:
        tasks = [serving, *self._sessions]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._checks.close()
        await self._documents.close()

    async def _serve_sessions(self) -> None:
        loop = asyncio.get_running_loop()
        with _listen(self._path) as listener:
            log.info("waiting for the portal")
            while True:
                connection, _ = await loop.sock_accept(listener)
                task = loop.create_task(self._serve(connection))
                self._sessions.add(task)
                task.add_done_callback(self._sessions.discard)

    async def _serve(self, connection: socket.socket) -> None:
        try:
            await self._portal.run(connection, self._proxy.serve, lambda: log.info("connected"))
        except (TunnelClosed, TunnelRefused) as error:
            log.info("disconnected: %s", error)

    async def _leave(self) -> None:
        """Take away what was made on the host, and say how that went."""
        reason = await run_in_thread(remove_devices)
        with contextlib.suppress(EngineSilent):  # it stays for as long as containers are connected to it
            await EngineNetwork(self._engine.open).remove(_NETWORK)
        if not reason:
            shutil.rmtree(self._folder, ignore_errors=True)
        log.info("left the network of this host %s", reason)
        part = LEFT.with_suffix(".part")
        part.write_text(reason)
        part.replace(LEFT)


def _listen(path: Path) -> socket.socket:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.unlink(missing_ok=True)
    (path.parent / LEFT.name).unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    listener.listen()
    listener.setblocking(False)  # noqa: FBT003 - as the standard library has it
    return listener


def _make_tun_device() -> None:
    """What wireguard-go needs: containers have no such node unless the host has one and they are given it."""
    with contextlib.suppress(OSError):  # without it, the network's report says what is missing
        if not _TUN.exists():
            _TUN.parent.mkdir(exist_ok=True)
            os.mknod(_TUN, stat.S_IFCHR | 0o600, os.makedev(10, 200))
