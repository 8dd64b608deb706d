"""SSH through a line: the portal is the client, the agent the server, and each knows the other's key beforehand."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from apps.hosts.tunnels.websocket_transport import WebSocketTransport

if TYPE_CHECKING:
    from asyncssh import SSHClientConnection

ENGINE_SOCKET = "/var/run/docker.sock"
KEEPALIVE_SECONDS, MAX_MISSED_KEEPALIVES = 7, 1
"""Seconds of silence until we ask, and how many questions may stay open: a loss is noticed after 14 s. The agent asks
after 5 s of silence, and what it asks is a sign of life here, so that on a healthy line only one side asks."""
_LOGIN_TIMEOUT = 15
_CIPHERS = ["aes128-gcm@openssh.com"]


class _TransportTunnel:
    """What asyncssh takes for another connection to go through: it hands the protocol to the line."""

    def __init__(self, transport: WebSocketTransport) -> None:
        self._transport = transport

    async def create_connection(self, factory: Callable[[], Any], _host: str, _port: int) -> tuple[None, Any]:
        """The protocol, attached."""
        protocol = factory()
        self._transport.attach(protocol)
        return None, protocol


async def connect_ssh(transport: WebSocketTransport, private: str, host_key: str) -> SSHClientConnection:
    """The connection to the agent behind `transport`, which must have the key `host_key`; we are known by `private`.

    Raises `asyncssh.Error` (another key, or ours is not the pinned one) and `OSError` (the line broke).
    """
    import asyncssh  # slow to load, and most of a portal's processes never need it

    return await asyncssh.connect(
        "agent",
        22,
        tunnel=_TransportTunnel(transport),
        username="corral",
        client_keys=[asyncssh.import_private_key(private)],
        known_hosts=([asyncssh.import_public_key(host_key)], [], []),
        config=None,
        agent_path=None,
        preferred_auth=["publickey"],
        encryption_algs=_CIPHERS,
        compression_algs=None,
        server_host_key_algs=["ssh-ed25519"],
        login_timeout=_LOGIN_TIMEOUT,
        keepalive_interval=KEEPALIVE_SECONDS,
        keepalive_count_max=MAX_MISSED_KEEPALIVES,
    )
