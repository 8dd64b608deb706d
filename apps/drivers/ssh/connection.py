"""Engines behind SSH: one connection per endpoint and process, every socket a channel in it."""

from __future__ import annotations

import asyncio
import logging
import socket
from dataclasses import dataclass, field

import asyncssh

from apps.drivers.base import Endpoint
from apps.drivers.ssh import login
from apps.drivers.ssh.address import parse_ssh_url
from apps.drivers.ssh.channel import open_channel_socket
from apps.drivers.ssh.event_loop import run_in_loop

asyncssh.set_log_level(logging.WARNING)  # otherwise it logs every channel of every connection

OPEN_TIMEOUT = 5.0


@dataclass
class _PooledConnection:
    """The connection of one endpoint, made when it is first needed."""

    endpoint: Endpoint
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    connection: asyncssh.SSHClientConnection | None = None

    async def open(self, path: str) -> socket.socket:
        async with self.lock:
            if self.connection is None or self.connection.is_closed():
                self.connection = await login.login(self.endpoint)
        try:
            return await asyncio.wait_for(open_channel_socket(self.connection, path), OPEN_TIMEOUT)
        except asyncssh.ChannelOpenError as error:
            raise ConnectionRefusedError(f"{path} cannot be opened there ({error.reason})") from None
        except (TimeoutError, asyncssh.ConnectionLost):
            self.connection.abort()  # the next call makes a new one, if the host can be reached
            raise


_pool: dict[Endpoint, _PooledConnection] = {}


def dial(endpoint: Endpoint) -> socket.socket:
    """A socket to the engine. Raises `OSError`, and `EngineRefused` for what repeating cannot help."""
    address = parse_ssh_url(endpoint.url)
    try:
        return run_in_loop(_dial(endpoint, address.path), login.LOGIN_TIMEOUT + OPEN_TIMEOUT + 1)
    except asyncssh.Error as error:
        raise ConnectionError(f"SSH: {error.reason}") from None


async def _dial(endpoint: Endpoint, path: str) -> socket.socket:
    return await _pool.setdefault(endpoint, _PooledConnection(endpoint)).open(path)


def close_connection(endpoint: Endpoint) -> None:
    """Close the endpoint's connection, if there is one."""
    if endpoint in _pool:
        run_in_loop(_close_connection(endpoint), OPEN_TIMEOUT)


async def _close_connection(endpoint: Endpoint) -> None:
    entry = _pool.pop(endpoint, None)
    if entry is not None and entry.connection is not None:
        entry.connection.abort()
