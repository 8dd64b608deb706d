"""The relay server: other processes reach the hosts whose tunnels this one holds through it, by TLS and a signed line.

The certificate is the installation's own, known to both sides from the database; the line names the host and when it
expires, signed with a key that only the installation's processes have.
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
from apps.hosts.tunnels import open_tunnels
from apps.hosts.tunnels.keys import get_portal_key, server_context
from apps.hosts.tunnels.threads import run_in_thread

log = logging.getLogger(__name__)

REQUEST_LIFETIME = 30
_HANDSHAKE_TIMEOUT = 10.0
_CHUNK_SIZE = 65536
# What a client that is not a process of this installation, or a broken connection, raises.
_CONNECTION_ERRORS = (OSError, ValueError, EOFError, asyncio.LimitOverrunError)

_servers: dict[asyncio.AbstractEventLoop, asyncio.Server] = {}


def sign_request(keys: PortalKey, host_uuid: str, now: float | None = None) -> bytes:
    """The line with which a process asks for a host's engine."""
    until = int(now if now is not None else time.time()) + REQUEST_LIFETIME
    return f"{host_uuid} {until} {_mac(keys, f'{host_uuid} {until}')}\n".encode()


def verify_request(keys: PortalKey, line: bytes, now: float | None = None) -> str | None:
    """The host that a line names; None when it is not validly signed, or has expired."""
    words = line.decode("latin1").split()
    if len(words) != 3 or not (words[1].isascii() and words[1].isdigit()):
        return None
    left = int(words[1]) - (now if now is not None else time.time())
    same = hmac.compare_digest(_mac(keys, f"{words[0]} {words[1]}").encode(), words[2].encode())
    return words[0] if same and 0 <= left <= 2 * REQUEST_LIFETIME else None


def _mac(keys: PortalKey, text: str) -> str:
    return hmac.new(keys.relay_key.encode(), text.encode(), hashlib.sha256).hexdigest()


async def listen_address() -> str:
    """The relay server's address (`host:port`), started at the first call; empty where there are no other processes."""
    if not settings.TUNNEL_HOST:
        return ""
    loop = asyncio.get_running_loop()
    if loop not in _servers:
        keys = await run_in_thread(get_portal_key)
        port = settings.TUNNEL_PORT

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await _serve_connection(keys, reader, writer)

        tls = server_context(keys.relay_certificate, keys.relay_key)
        _servers[loop] = await asyncio.start_server(serve, settings.TUNNEL_BIND, port, ssl=tls)
    return f"{settings.TUNNEL_HOST}:{_servers[loop].sockets[0].getsockname()[1]}"


async def _serve_connection(keys: PortalKey, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        async with asyncio.timeout(_HANDSHAKE_TIMEOUT):
            host = verify_request(keys, await reader.readuntil(b"\n")) if not reader.at_eof() else None
            tunnel = open_tunnels.find_tunnel(host) if host else None
        if tunnel is not None:
            await _relay(reader, writer, *await tunnel.open_engine())
    except* _CONNECTION_ERRORS as broken:
        log.debug("relay: %r", broken.exceptions[0])
    finally:
        writer.close()


async def _relay(reader: Any, writer: Any, engine_reader: Any, engine_writer: Any) -> None:
    """Copy both ways until both directions have ended; the end of one is passed on."""
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_copy_stream(reader, engine_writer))
        tasks.create_task(_copy_stream(engine_reader, writer))


async def _copy_stream(source: Any, target: Any) -> None:
    try:
        while chunk := await source.read(_CHUNK_SIZE):
            target.write(chunk)
            await target.drain()
    finally:
        with contextlib.suppress(OSError, NotImplementedError):
            if target.can_write_eof():
                target.write_eof()
            else:
                target.close()
