"""An SSH channel behind an ordinary socket: bytes, back-pressure, and each direction closed separately."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import Any

import asyncssh

WINDOW = 2 * 1024 * 1024  # at 50 ms a window of this size lets 40 MB pass in a second
_CHUNK = 128 * 1024
_tasks: set[asyncio.Task[None]] = set()


async def open_channel_socket(connection: asyncssh.SSHClientConnection, path: str) -> socket.socket:
    """A socket whose other end is the unix socket `path` on the far side. Raises `asyncssh.Error`, `OSError`."""
    reader, writer = await connection.open_unix_connection(path, encoding=None, window=WINDOW)
    near_end, far_end = socket.socketpair()
    try:
        near_reader, near_writer = await asyncio.open_connection(sock=near_end)
    except BaseException:
        near_end.close()
        far_end.close()
        writer.close()
        raise
    _keep_task(_forward_both((reader, writer), (near_reader, near_writer)))
    return far_end


def _keep_task(coroutine: Any) -> None:
    """Keep a reference: the event loop holds its tasks only weakly."""
    task = asyncio.get_running_loop().create_task(coroutine)
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)


async def _forward_both(far: tuple[Any, Any], near: tuple[Any, Any]) -> None:
    """Copy bytes both ways until both directions have ended, or one broke."""
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(_forward(far[0], near[1]))
            group.create_task(_forward(near[0], far[1]))
    except* (OSError, asyncssh.Error):
        pass  # whoever reads sees the end
    finally:
        for writer in (near[1], far[1]):
            with contextlib.suppress(OSError, asyncssh.Error):
                writer.close()


async def _forward(reader: Any, writer: Any) -> None:
    while data := await reader.read(_CHUNK):
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()
