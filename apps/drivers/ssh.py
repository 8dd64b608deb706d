"""Engines behind SSH: one connection per endpoint and process, every socket a channel in it."""

from __future__ import annotations

import asyncio
import logging
import socket
from dataclasses import dataclass, field

import asyncssh

from apps.drivers.base import CredentialRefused, Endpoint, EngineRefused
from apps.drivers.ssh_address import SshAddress, parse
from apps.drivers.ssh_keys import Gate, algorithms, client_keys
from apps.drivers.ssh_loop import wait_for
from apps.drivers.ssh_pipe import pipe

asyncssh.set_log_level(logging.WARNING)  # it would tell every channel of every connection

LOGIN_TIMEOUT = 10.0
OPEN_TIMEOUT = 5.0
# A peer that vanished without a word is noticed within 20 seconds, however quiet the channels are.
KEEPALIVE, KEEPALIVE_MISSES = 5.0, 3
# The fastest first; what follows is for servers that do not have it.
_CIPHERS = [
    "aes128-gcm@openssh.com",
    "aes256-gcm@openssh.com",
    "chacha20-poly1305@openssh.com",
    "aes128-ctr",
    "aes256-ctr",
]


@dataclass
class _Way:
    """The connection of one endpoint, made by whoever needs it first."""

    endpoint: Endpoint
    making: asyncio.Lock = field(default_factory=asyncio.Lock)
    connection: asyncssh.SSHClientConnection | None = None

    async def open(self, path: str) -> socket.socket:
        async with self.making:
            if self.connection is None or self.connection.is_closed():
                self.connection = await _login(self.endpoint)
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
        return wait_for(_dial(endpoint, address.path), LOGIN_TIMEOUT + OPEN_TIMEOUT + 1)
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


async def _login(endpoint: Endpoint) -> asyncssh.SSHClientConnection:
    address, gate = parse(endpoint.url), Gate(endpoint.host_key)
    keys = client_keys(endpoint)
    password = None if keys else endpoint.password or None
    try:
        return await asyncio.wait_for(_connect(address, gate, keys, password, endpoint), LOGIN_TIMEOUT)
    except asyncssh.HostKeyNotVerifiable:
        if not gate.seen:
            raise
        raise gate.refusal(endpoint.url) from None
    except asyncssh.PermissionDenied:
        what = "private_key" if keys else "password"
        words = f"{address.host} does not let {address.user} in with this {what.replace('_', ' ')}."
        raise CredentialRefused(words, what) from None
    except asyncssh.ProtocolError as error:
        raise EngineRefused(
            f"What answers at {endpoint.url} is no SSH server that Corral can use: {error.reason}."
        ) from None


async def _connect(
    address: SshAddress, gate: Gate, keys: list[asyncssh.SSHKey] | None, password: str | None, endpoint: Endpoint
) -> asyncssh.SSHClientConnection:
    """Log in with nothing of this machine's own files, agents or settings."""
    return await asyncssh.connect(
        address.host,
        address.port,
        username=address.user,
        client_factory=lambda: gate,
        client_keys=keys,
        password=password,
        known_hosts=([], [], []),
        server_host_key_algs=algorithms(endpoint.host_key) or (),
        encryption_algs=_CIPHERS,
        compression_algs=None,
        config=None,
        agent_path=None,
        gss_host=None,
        keepalive_interval=KEEPALIVE,
        keepalive_count_max=KEEPALIVE_MISSES,
        connect_timeout=LOGIN_TIMEOUT,
        login_timeout=LOGIN_TIMEOUT,
    )
