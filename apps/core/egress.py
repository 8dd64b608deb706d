"""Which machines the portal may connect to for a tenant: none inside, but where a setting permits their network."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Sequence

from apps.core.addresses import is_public, is_within

Resolve = Callable[[str, int], Sequence[str]]


class UnknownHost(Exception):
    """The host cannot be found; `str()` says why."""


def resolve(host: str, port: int) -> list[str]:
    """All addresses of a host, as the portal's name server knows them. Raises `UnknownHost`."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise UnknownHost(f"The host {host} is not known ({error}).") from None
    return list(dict.fromkeys(str(each[4][0]).partition("%")[0] for each in found))


def is_permitted(address: str, *, is_trusted: bool, networks: Sequence[str]) -> bool:
    """Whether the portal may connect to an IP address: a public one, one of `networks`, or any if `is_trusted`.

    Never to a link-local one, where clouds answer with credentials.
    """
    found = ipaddress.ip_address(address)
    plain = getattr(found, "ipv4_mapped", None) or found
    if plain.is_link_local or plain.is_multicast or plain.is_unspecified:
        return False
    return is_trusted or is_public(address) or is_within(address, networks)
