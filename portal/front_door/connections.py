"""How many connections are open, of each client and in all."""

from __future__ import annotations

import ipaddress
import resource
from collections import Counter
from collections.abc import Sequence
from typing import Protocol

from apps.core.addresses import is_within


class Connection(Protocol):
    """A connection that can be closed while nothing is going on."""

    def close_idle(self) -> None: ...


def client_key(address: str) -> str:
    """What counts as one client: an IPv4 address, or the /64 that everybody with IPv6 has for themselves."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address):
        mapped = found.ipv4_mapped
        return str(mapped) if mapped else str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)


class OpenConnections:
    """Counts connections, and says whether one more may be served.

    A client beyond its share, or anybody while all are taken, is still answered (with a refusal) up to twice the
    limit: a plain reset would leave people guessing. Proxies that are trusted speak for many and have no share.
    """

    def __init__(self, total: int, per_client: int, proxies: Sequence[str] = ()) -> None:
        self._total, self._per_client, self._proxies = min(total, _share_of_files()), per_client, proxies
        self._open: Counter[str] = Counter()
        self._idle: dict[Connection, None] = {}
        self.count = 0

    def has_room(self, address: str) -> bool:
        """Whether one more connection from there may be served."""
        return self._has_share(address, self._per_client) and self.count < self._total

    def add(self, address: str) -> bool:
        """Count a new connection; whether it may be served. Room is made by closing the one that was idle longest."""
        has_share, has_room = self._has_share(address, self._per_client), self.count < self._total
        self._open[client_key(address)] += 1
        self.count += 1
        if has_share and not has_room and self._idle:
            next(iter(self._idle)).close_idle()
            return True
        return has_share and has_room

    def is_flooded(self, address: str) -> bool:
        """Whether there are so many that a new one is not even worth an answer."""
        return self.count > 2 * self._total or not self._has_share(address, 2 * self._per_client + 1)

    def _has_share(self, address: str, limit: int) -> bool:
        return not address or self._open[client_key(address)] < limit or is_within(address, self._proxies)

    def remove(self, address: str) -> None:
        """A connection that was added is closed."""
        key = client_key(address)
        self.count -= 1
        self._open[key] -= 1
        if self._open[key] <= 0:
            del self._open[key]

    def set_idle(self, connection: Connection, *, idle: bool) -> None:
        """Note whether a connection waits for its next request."""
        if idle:
            self._idle[connection] = None
        else:
            self._idle.pop(connection, None)


def _share_of_files() -> int:
    """Half of the files that this process may open: the others are the database's, the engines' and the log's."""
    return max(resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2, 64)
