"""Client addresses: lists of networks, whether an address is in one, and the client behind a trusted proxy."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence

from apps.core.errors import Invalid

MAX_ADDRESSES = 50
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network


def parse_networks(field: str, texts: Iterable[object]) -> list[str]:
    """The addresses and networks in their usual form (`10.1.0.0/16`, `2001:db8::1/128`), each once.

    Raises `Invalid` at `field` for what is neither, and for more than fifty.
    """
    found = list(dict.fromkeys(str(_parse_network(field, text)) for text in texts))
    if len(found) > MAX_ADDRESSES:
        raise Invalid(
            field, "MaxLimitExceeded", f"At most {MAX_ADDRESSES} addresses can be given; combine some to networks."
        )
    return found


def parse_inside_networks(field: str, text: str) -> list[str]:
    """Those of a text, split by spaces or commas, that what is fetched may come from.

    Raises `Invalid` at `field` also for link-local and multicast ones: clouds answer there with credentials, and no
    machine has such an address of its own, so nothing is ever fetched from them.
    """
    found = parse_networks(field, text.replace(",", " ").split())
    for each in found:
        network = ipaddress.ip_network(each)
        if network.is_link_local or network.is_multicast:
            reason = f"{each} cannot be permitted: it has link-local or multicast addresses only; leave it out."
            raise Invalid(field, "InvalidFormat", reason)
    return found


def _parse_network(field: str, text: object) -> IPNetwork:
    try:
        return ipaddress.ip_network(str(text).strip(), strict=False)
    except ValueError:
        remedy = "write it like 203.0.113.7, 10.0.0.0/8 or 2001:db8::/32"
        raise Invalid(field, "InvalidFormat", f"{str(text)[:60]!r} is not an address or network; {remedy}.") from None


def is_within(address: str, allowed: Iterable[str]) -> bool:
    """Whether the address is in one of the networks; an IPv4 address may come mapped into IPv6 (`::ffff:`)."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
        plain = getattr(found, "ipv4_mapped", None) or found
        return any(plain in ipaddress.ip_network(each, strict=False) for each in allowed)
    except ValueError:
        return False


def is_public(address: str) -> bool:
    """Whether an address is on the public internet, so that nothing inside is reached by it.

    What IPv6 carries another address in (`::ffff:`, `2002:`) is as public as that one. Raises `ValueError`.
    """
    found = ipaddress.ip_address(address.partition("%")[0])
    plain = getattr(found, "ipv4_mapped", None) or getattr(found, "sixtofour", None) or found
    return bool(plain.is_global and not plain.is_multicast and not plain.is_reserved)


def covers(outer: Iterable[str], inner: str) -> bool:
    """Whether a network lies within one of the others."""
    small = ipaddress.ip_network(inner)
    return any(
        small.version == big.version and small.subnet_of(big)  # type: ignore[arg-type]
        for big in map(ipaddress.ip_network, outer)
    )


def client_behind_proxies(peer: str, forwarded: str, trusted: Sequence[str]) -> str:
    """The client behind `peer`: the last hop of `X-Forwarded-For` that is not a trusted proxy."""
    hops = [hop.strip() for hop in forwarded.split(",") if hop.strip()]
    while hops and is_within(peer, trusted):
        peer = hops.pop()
    return peer[:64]
