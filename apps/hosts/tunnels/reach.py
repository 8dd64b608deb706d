"""From any thread of any process to a host behind an agent: through our own tunnel, or through its holder's door."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path
from typing import Any

from django.db import close_old_connections, connection
from django.utils import timezone

from apps.drivers.base import Endpoint, EngineDown
from apps.drivers.docker_wire import CONNECT_TIMEOUT, local
from apps.hosts.models import AGENT, Host
from apps.hosts.tunnels import door, held
from apps.hosts.tunnels.certificates import client_context
from apps.hosts.tunnels.keys import portal_key


def dial(endpoint: Endpoint) -> socket.socket:
    """A socket that leads to the engine. Raises `EngineDown` while no process holds a tunnel, `OSError`."""
    key = endpoint.url.removeprefix(AGENT)
    mine = held.tunnel_of(key)
    if mine is not None:
        return local(mine.socket)
    try:
        return _elsewhere(key, _holder(key))
    finally:
        if not connection.in_atomic_block:  # a reading thread would keep its connection to the database for ever
            close_old_connections()


def _holder(key: str) -> Any:
    rows = Host.all_objects.filter(uuid=key, gateway_until__gt=timezone.now()).exclude(tunnel_socket="")
    return rows.values_list("tunnel_socket", "tunnel_address").first()


def _elsewhere(key: str, holder: tuple[str, str] | None) -> socket.socket:
    if holder is None:
        raise EngineDown("The host's agent is not connected.")
    path, address = holder
    if Path(path).exists():
        with contextlib.suppress(OSError):  # a process that is gone left it behind, or it is another machine's path
            return local(path)
    if not address:
        raise EngineDown("The host's agent is connected to a process that others cannot reach (TUNNEL_HOST is unset).")
    return _through(address, key)


def _through(address: str, key: str) -> socket.socket:
    keys = portal_key()
    host, _, port = address.rpartition(":")
    plain = socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_TIMEOUT)
    try:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made = client_context(keys.door_certificate).wrap_socket(plain, server_hostname=host)
        made.sendall(door.request_line(keys, key))
    except BaseException:
        plain.close()
        raise
    return made
