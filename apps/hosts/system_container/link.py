"""The connection to a host's system container: SSH, as with agents, over the engine's exec instead of a WebSocket."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from apps.drivers.base import EngineError, ExecSession
from apps.hosts.tunnels.ssh_client import connect_ssh
from apps.hosts.tunnels.websocket_transport import WebSocketTransport

if TYPE_CHECKING:
    from asyncssh import SSHClientConnection

_WRITERS = ThreadPoolExecutor(8, thread_name_prefix="system-write")
_PIECE_TIMEOUT = 60.0


@contextlib.asynccontextmanager
async def connect(session: ExecSession, private_key: str) -> AsyncIterator[SSHClientConnection]:
    """The connection over the session, which ends with it. Raises as `connect_ssh`."""
    transport = WebSocketTransport("system container")
    loop = asyncio.get_running_loop()
    threading.Thread(target=_read, args=(session, transport, loop), name="system-read", daemon=True).start()
    writing = loop.create_task(_write(session, transport))
    connection: SSHClientConnection | None = None
    try:
        # Only who controls the engine can be at the other end, so the container needs no key that we know.
        connection = await connect_ssh(transport, private_key, None)
        yield connection
    finally:
        if connection is not None:
            connection.abort()
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        await loop.run_in_executor(_WRITERS, session.close)


def _read(session: ExecSession, transport: WebSocketTransport, loop: asyncio.AbstractEventLoop) -> None:
    """Pass on what comes, a piece at a time: the next is read when this one is taken."""
    with contextlib.suppress(EngineError, RuntimeError, TimeoutError):  # also of a loop that has ended
        while piece := session.read():
            taken: Future[None] = Future()
            loop.call_soon_threadsafe(_feed, transport, piece, taken)
            taken.result(_PIECE_TIMEOUT)
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(transport.mark_lost)


def _feed(transport: WebSocketTransport, piece: bytes, taken: Future[None]) -> None:
    transport.feed(piece)
    taken.set_result(None)


async def _write(session: ExecSession, transport: WebSocketTransport) -> None:
    loop = asyncio.get_running_loop()
    try:
        while frame := await transport.next_frame():
            await loop.run_in_executor(_WRITERS, session.write, frame)
    except EngineError:
        transport.mark_lost()
