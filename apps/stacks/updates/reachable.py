"""Which registries the portal itself may ask, and at which addresses: nobody learns from it what its own network has.

Every tenant chooses the names of its images. So the portal connects to addresses of the public internet only, and
elsewhere to registries that an administrator named (the setting `updates.registries`) or lends to environments.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass

from apps.core.addresses import is_public
from apps.core.errors import Invalid
from apps.core.pinned_http import DEFAULT_PORTS, HttpEndpoint
from apps.vault.registries.addresses import DOCKER_HUB, parse_address

_HUB_HOST = "registry-1.docker.io"


class RegistryUnreachable(Exception):
    """The registry cannot be asked; `str()` says why, to whoever uses its images."""


@dataclass(frozen=True, slots=True)
class RegistryEndpoint(HttpEndpoint):
    """Where a registry answers; `is_trusted` ones may have addresses in private networks."""

    is_trusted: bool = False


def read_trusted(text: str) -> dict[str, str]:
    """The schemes of the registries that the setting names, by domain; what cannot be read is left out."""
    found = {}
    for each in re.split(r"[\s,]+", text.strip()):
        try:
            domain = parse_address("value", each).domain
        except Invalid:
            continue
        found[domain] = "http" if each.lower().startswith("http://") else "https"
    return found


def endpoint_of(domain: str, trusted: dict[str, str], lent: Iterable[str] = ()) -> RegistryEndpoint:
    """Where a registry answers."""
    scheme = trusted.get(domain, "https")
    host, port = split_authority(_HUB_HOST if domain == DOCKER_HUB else domain)
    return RegistryEndpoint(scheme, host, port or DEFAULT_PORTS[scheme], domain in trusted or domain in set(lent))


def split_authority(text: str) -> tuple[str, int | None]:
    """Host, without brackets, and port."""
    head, bracket, tail = text.rpartition("]")
    if bracket:
        return head.lstrip("["), int(tail[1:]) if tail[1:].isdigit() else None
    host, colon, port = text.partition(":")
    return host, int(port) if colon and port.isdigit() else None


def addresses_of(endpoint: RegistryEndpoint) -> list[str]:
    """The addresses to connect to. Raises `RegistryUnreachable` where there is none that the portal may connect to."""
    try:
        found = socket.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise RegistryUnreachable(f"The name {endpoint.host} leads to no address.") from None
    addresses = list(dict.fromkeys(str(each[4][0]) for each in found))
    allowed = [each for each in addresses if endpoint.is_trusted or is_public(each)]
    if not allowed:
        raise RegistryUnreachable(
            f"{endpoint.authority} is not on the public internet, and the portal asks registries in private networks"
            " only if an administrator names them in the setting updates.registries, or lends them."
        )
    return allowed
