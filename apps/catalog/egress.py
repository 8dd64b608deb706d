"""Which machines the portal may fetch catalogs from: those of tenants must not lead to addresses inside."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Sequence

from apps.core.addresses import is_public, is_within

Resolve = Callable[[str, int], Sequence[str]]


class Unreachable(Exception):
    """The host cannot be found, or must not be reached; `str()` says why."""


def resolve(host: str, port: int) -> list[str]:
    """All addresses of a host, as the portal's name server knows them. Raises `Unreachable`."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Unreachable(f"The host {host} is not known ({error}).") from None
    return list(dict.fromkeys(str(each[4][0]).partition("%")[0] for each in found))


def permitted_address(
    host: str, port: int, *, is_trusted: bool, networks: Sequence[str], resolve: Resolve = resolve
) -> str:
    """The address to connect to. Raises `Unreachable` for a host of which any address must not be reached.

    `is_trusted` is for catalogs of administrators, who may use servers inside; nobody may use link-local addresses,
    where clouds answer with credentials. `networks` are those inside that tenants may use as well.
    """
    addresses = resolve(host, port)
    if not addresses:
        raise Unreachable(f"The host {host} has no address.")
    for address in addresses:
        if not is_permitted(address, is_trusted=is_trusted, networks=networks):
            remedy = "an administrator can permit its network with the setting catalog.private.networks"
            if not is_permitted(address, is_trusted=True, networks=()):  # no setting permits it
                remedy = "addresses of this kind cannot be permitted for any catalog: use another host"
            raise Unreachable(f"The host {host} leads to {address}, which catalogs must not reach; {remedy}.")
    return addresses[0]


def is_permitted(address: str, *, is_trusted: bool, networks: Sequence[str]) -> bool:
    """Whether a catalog may be fetched from an IP address."""
    found = ipaddress.ip_address(address)
    plain = getattr(found, "ipv4_mapped", None) or found
    if plain.is_link_local or plain.is_multicast or plain.is_unspecified:
        return False
    return is_trusted or is_public(address) or is_within(address, networks)
