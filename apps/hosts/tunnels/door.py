"""The door through which other processes reach the hosts whose tunnels this one holds: TLS, then one line that proves.

The certificate is the installation's own, known to both sides from the database; the line names the host and a time
until which it counts, signed with a key that only the installation's processes have.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import logging
import time
from typing import Any

from django.conf import settings

from apps.hosts.models import PortalKey
from apps.hosts.tunnels import held
from apps.hosts.tunnels.certificates import server_context
from apps.hosts.tunnels.keys import portal_key
from apps.hosts.tunnels.work import in_thread

log = logging.getLogger(__name__)

LIFE = 30
_PATIENCE = 10.0
_PIECE = 65536
# What somebody who is no process of ours, or a connection that ends in the middle, looks like.
_BROKEN = (OSError, ValueError, EOFError, asyncio.LimitOverrunError)

_open: dict[asyncio.AbstractEventLoop, asyncio.Server] = {}


def request_line(keys: PortalKey, host_uuid: str, now: float | None = None) -> bytes:
    """What a process says to be let through to a host."""
    until = int(now if now is not None else time.time()) + LIFE
    return f"{host_uuid} {until} {_mac(keys, f'{host_uuid} {until}')}\n".encode()


def admitted(keys: PortalKey, line: bytes, now: float | None = None) -> str | None:
    """The host that a line is for; None when it proves nothing."""
    words = line.decode("latin1").split()
    if len(words) != 3 or not (words[1].isascii() and words[1].isdigit()):
        return None
    left = int(words[1]) - (now if now is not None else time.time())
    same = hmac.compare_digest(_mac(keys, f"{words[0]} {words[1]}").encode(), words[2].encode())
    return words[0] if same and 0 <= left <= 2 * LIFE else None


def _mac(keys: PortalKey, text: str) -> str:
    return hmac.new(keys.door_key.encode(), text.encode(), hashlib.sha256).hexdigest()


async def address() -> str:
    """Where our door is (`host:port`), opened at the first call; empty where there are no other processes."""
    if not settings.TUNNEL_HOST:
        return ""
    loop = asyncio.get_running_loop()
    if loop not in _open:
        keys = await in_thread(portal_key)
        port = settings.TUNNEL_PORT

        async def enter(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await _enter(keys, reader, writer)

        tls = server_context(keys.door_certificate, keys.door_key)
        _open[loop] = await asyncio.start_server(enter, settings.TUNNEL_BIND, port, ssl=tls)
    return f"{settings.TUNNEL_HOST}:{_open[loop].sockets[0].getsockname()[1]}"


async def _enter(keys: PortalKey, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        async with asyncio.timeout(_PATIENCE):
            host = admitted(keys, await reader.readuntil(b"\n")) if not reader.at_eof() else None
            tunnel = held.tunnel_of(host) if host else None
        if tunnel is not None:
            await _join(reader, writer, *await tunnel.open_engine())
    except* _BROKEN as broken:
        log.debug("the door: %r", broken.exceptions[0])
    finally:
        writer.close()


async def _join(reader: Any, writer: Any, engine_reader: Any, engine_writer: Any) -> None:
    """Both ways until both have ended; an end in one direction is passed on as such."""
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_pump(reader, engine_writer))
        tasks.create_task(_pump(engine_reader, writer))


async def _pump(source: Any, target: Any) -> None:
    try:
        while piece := await source.read(_PIECE):
            target.write(piece)
            await target.drain()
    finally:
        with contextlib.suppress(OSError, NotImplementedError):
            if target.can_write_eof():
                target.write_eof()
            else:
                target.close()
