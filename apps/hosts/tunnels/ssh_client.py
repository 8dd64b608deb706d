"""SSH through a WebSocket: the portal is the client, the agent the server; each knows the other's key beforehand."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from apps.hosts.tunnels.websocket_transport import WebSocketTransport

if TYPE_CHECKING:
    from asyncssh import SSHClientConnection

ENGINE_SOCKET = "/var/run/docker.sock"
KEEPALIVE_SECONDS, MAX_MISSED_KEEPALIVES = 7, 1
"""Seconds of silence until we send a keepalive, and how many may stay unanswered: a loss is noticed after 14 s. The
agent sends its own after 5 s, which counts as a sign of life: on a healthy connection only one side sends any."""
_LOGIN_TIMEOUT = 15
_CIPHERS = ["aes128-gcm@openssh.com"]


class _TransportTunnel:
    """What asyncssh takes as a connection to tunnel through: it attaches the protocol to the WebSocket."""

    def __init__(self, transport: WebSocketTransport) -> None:
        self._transport = transport

    async def create_connection(self, factory: Callable[[], Any], _host: str, _port: int) -> tuple[None, Any]:
        """Attach the protocol and return it."""
        protocol = factory()
        self._transport.attach(protocol)
        return None, protocol


async def connect_ssh(transport: WebSocketTransport, private: str, host_key: str | None) -> SSHClientConnection:
    """The connection to the agent behind `transport`, which must have the key `host_key`; we are known by `private`.

    Without a `host_key` any is taken: then whatever carries the connection must lead to this agent alone.

    Raises `asyncssh.Error` (another key, or ours is not the pinned one) and `OSError` (the line broke).
    """
    import asyncssh  # slow to import, and most of the portal's processes never need it

    return await asyncssh.connect(
        "agent",
        22,
        tunnel=_TransportTunnel(transport),
        username="corral",
        client_keys=[asyncssh.import_private_key(private)],
        known_hosts=([asyncssh.import_public_key(host_key)], [], []) if host_key else None,
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
