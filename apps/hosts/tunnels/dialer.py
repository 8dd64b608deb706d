"""From any thread of any process to a host behind an agent: through our own tunnel, or its holder's relay server."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path
from typing import Any

from django.db import close_old_connections, connection
from django.utils import timezone

from apps.drivers.base import Endpoint, EngineDown
from apps.drivers.dialing import Secure
from apps.drivers.docker.connections import CONNECT_TIMEOUT, connect_unix
from apps.hosts.models import AGENT_SCHEME, Host
from apps.hosts.tunnels import open_tunnels, relay_server
from apps.hosts.tunnels.keys import client_context, get_portal_key


def dial(endpoint: Endpoint, secure: Secure) -> Any:
    """A socket, or what `secure` makes of one, that leads to the engine.

    Raises `EngineDown` while no process holds a tunnel, and `OSError`.
    """
    key = endpoint.url.removeprefix(AGENT_SCHEME)
    tunnel = open_tunnels.find_tunnel(key)
    if tunnel is not None:
        return connect_unix(tunnel.socket)
    try:
        return _dial_holder(key, _find_holder(key), secure)
    finally:
        if not connection.in_atomic_block:  # a thread that only reads would keep its database connection for ever
            close_old_connections()


def _find_holder(key: str) -> Any:
    rows = Host.all_objects.filter(uuid=key, gateway_until__gt=timezone.now()).exclude(tunnel_socket="")
    return rows.values_list("tunnel_socket", "tunnel_address").first()


def _dial_holder(key: str, holder: tuple[str, str] | None, secure: Secure) -> Any:
    if holder is None:
        raise EngineDown("The host's agent is not connected.")
    path, address = holder
    if Path(path).exists():
        with contextlib.suppress(OSError):  # left behind by a process that is gone, or another machine's path
            return connect_unix(path)
    if not address:
        raise EngineDown("The host's agent is connected to a process that others cannot reach (TUNNEL_HOST is unset).")
    return _dial_relay(address, key, secure)


def _dial_relay(address: str, key: str, secure: Secure) -> Any:
    keys = get_portal_key()
    host, _, port = address.rpartition(":")
    tcp_socket = socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_TIMEOUT)
    try:
        tcp_socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        tls_socket = secure(tcp_socket, client_context(keys.relay_certificate), host)
        tls_socket.sendall(relay_server.sign_request(keys, key))
    except BaseException:
        tcp_socket.close()
        raise
    return tls_socket
