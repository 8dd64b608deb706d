"""Logging in over SSH, with nothing of this machine's own files, agents or settings."""

from __future__ import annotations

import asyncio

import asyncssh

from apps.drivers.base import CredentialRefused, Endpoint, EngineRefused
from apps.drivers.engine_addresses import resolve_engine
from apps.drivers.ssh.address import SshAddress, parse_ssh_url
from apps.drivers.ssh.keys import HostKeyVerifier, client_keys, host_key_algorithms

LOGIN_TIMEOUT = 10.0
# A peer that vanished without closing is noticed within 20 seconds, however quiet the channels are.
KEEPALIVE, KEEPALIVE_MISSES = 5.0, 3
# The fastest first; the rest is for servers that do not have it.
_CIPHERS = [
    "aes128-gcm@openssh.com",
    "aes256-gcm@openssh.com",
    "chacha20-poly1305@openssh.com",
    "aes128-ctr",
    "aes256-ctr",
]


async def login(endpoint: Endpoint) -> asyncssh.SSHClientConnection:
    """A new connection. Raises `EngineRefused` for what repeating cannot help, else `asyncssh.Error` or `OSError`."""
    address, verifier = parse_ssh_url(endpoint.url), HostKeyVerifier(endpoint.host_key)
    keys = client_keys(endpoint)
    password = None if keys else endpoint.password or None
    try:
        return await asyncio.wait_for(_connect(address, verifier, keys, password, endpoint), LOGIN_TIMEOUT)
    except asyncssh.HostKeyNotVerifiable:
        if not verifier.presented_key:
            raise
        raise verifier.refusal(endpoint.url) from None
    except asyncssh.PermissionDenied:
        field = "private_key" if keys else "password"
        message = f"{address.host} does not let {address.user} in with this {field.replace('_', ' ')}."
        raise CredentialRefused(message, field) from None
    except asyncssh.ProtocolError as error:
        raise EngineRefused(
            f"What answers at {endpoint.url} is not an SSH server that Corral can use: {error.reason}."
        ) from None


async def _connect(
    address: SshAddress,
    verifier: HostKeyVerifier,
    keys: list[asyncssh.SSHKey] | None,
    password: str | None,
    endpoint: Endpoint,
) -> asyncssh.SSHClientConnection:
    """Log in with nothing of this machine's own files, agents or settings."""
    host, port = (await asyncio.to_thread(resolve_engine, address.host, address.port))[0]
    return await asyncssh.connect(
        host,
        port,
        username=address.user,
        client_factory=lambda: verifier,
        client_keys=keys,
        password=password,
        known_hosts=([], [], []),
        server_host_key_algs=host_key_algorithms(endpoint.host_key) or (),
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
