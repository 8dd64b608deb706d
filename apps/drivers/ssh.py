"""Engines behind SSH: one connection per endpoint and process, every socket a channel in it."""

from __future__ import annotations

import asyncio
import logging
import socket
from dataclasses import dataclass, field

import asyncssh

from apps.drivers import ssh_login
from apps.drivers.base import Endpoint
from apps.drivers.ssh_address import parse
from apps.drivers.ssh_loop import wait_for
from apps.drivers.ssh_pipe import pipe

asyncssh.set_log_level(logging.WARNING)  # it would tell every channel of every connection

OPEN_TIMEOUT = 5.0


@dataclass
class _Way:
    """The connection of one endpoint, made by whoever needs it first."""

    endpoint: Endpoint
    making: asyncio.Lock = field(default_factory=asyncio.Lock)
    connection: asyncssh.SSHClientConnection | None = None

    async def open(self, path: str) -> socket.socket:
        async with self.making:
            if self.connection is None or self.connection.is_closed():
                self.connection = await ssh_login.login(self.endpoint)
        try:
            return await asyncio.wait_for(pipe(self.connection, path), OPEN_TIMEOUT)
        except asyncssh.ChannelOpenError as error:
            raise ConnectionRefusedError(f"{path} cannot be opened there ({error.reason})") from None
        except (TimeoutError, asyncssh.ConnectionLost):
            self.connection.abort()  # a new one next time, if there is a way at all
            raise


_ways: dict[Endpoint, _Way] = {}


def dial(endpoint: Endpoint) -> socket.socket:
    """A socket to the engine. Raises `OSError`, and `EngineRefused` for what repeating cannot help."""
    address = parse(endpoint.url)
    try:
        return wait_for(_dial(endpoint, address.path), ssh_login.LOGIN_TIMEOUT + OPEN_TIMEOUT + 1)
    except asyncssh.Error as error:
        raise ConnectionError(f"SSH: {error.reason}") from None


async def _dial(endpoint: Endpoint, path: str) -> socket.socket:
    return await _ways.setdefault(endpoint, _Way(endpoint)).open(path)


def let_go(endpoint: Endpoint) -> None:
    """Close the endpoint's connection, if there is one."""
    if endpoint in _ways:
        wait_for(_let_go(endpoint), OPEN_TIMEOUT)


async def _let_go(endpoint: Endpoint) -> None:
    way = _ways.pop(endpoint, None)
    if way is not None and way.connection is not None:
        way.connection.abort()
