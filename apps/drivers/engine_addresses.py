"""Which addresses engines may be dialed at, decided for the very address that the connection then goes to."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable, Sequence

from apps.drivers.base import EngineRefused

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_allowed: tuple[Network, ...] = ()


def allow_networks(networks: Iterable[str]) -> None:
    """Allow these networks only (`10.0.0.0/8`); none at all allows every one. Raises `ValueError` for a bad one."""
    global _allowed  # noqa: PLW0603  # set once, when the process starts
    _allowed = tuple(ipaddress.ip_network(each) for each in networks)


def resolve_engine(host: str, port: int) -> Sequence[tuple[str, int]]:
    """The addresses to dial, best first. Raises `EngineRefused` if none may be, `OSError` for an unknown name.

    The name is resolved once, here: checked by name and dialed by name, it could mean another address each time.
    """
    found = list(dict.fromkeys(str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))
    may_dial = [address for address in found if is_allowed(address)]
    if not may_dial:
        raise EngineRefused(f"Engines may not be at {found[0]}: {_reason(found[0])}.")
    return [(address, port) for address in may_dial]


def is_allowed(address: str) -> bool:
    """Whether engines may be dialed at this address."""
    plain = _plain(address)
    return not plain.is_link_local and (not _allowed or any(plain in network for network in _allowed))


def _reason(address: str) -> str:
    if _plain(address).is_link_local:
        return "it is a link-local address, where clouds keep their machines' credentials"
    return "the portal's operator allows other networks only (ENGINE_NETWORKS)"


def _plain(address: str) -> Address:
    found = ipaddress.ip_address(address.partition("%")[0])
    return getattr(found, "ipv4_mapped", None) or found
