"""Which address is whose in a managed network: gateways of hosts first, then the containers' addresses; pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv4Network, NetmaskValueError

from apps.core.errors import Invalid

DEFAULT_SUBNET = "10.42.0.0/16"
TUNNELS = IPv4Network("10.43.0.0/16")
"""The hosts' own addresses inside WireGuard; each environment's hosts are apart, so all may use the same."""
ENGINE_DEFAULT = IPv4Network("172.17.0.0/16")
WIREGUARD, PLAIN = "wireguard", "none"
MTU = {WIREGUARD: 1370, PLAIN: 1450}
SMALLEST_PREFIX, LARGEST_PREFIX = 22, 12
_PRIVATE = tuple(IPv4Network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"))
_MOST_GATEWAYS = 1024


@dataclass(frozen=True, slots=True)
class AddressPlan:
    """How a subnet is divided: the first addresses are gateways, one for each host, the rest are the containers'."""

    subnet: IPv4Network

    @classmethod
    def of(cls, subnet: str) -> AddressPlan:
        """The plan of a subnet that was checked before."""
        return cls(IPv4Network(subnet))

    @property
    def first(self) -> int:
        """The first address of containers: 10.42.4.0 in 10.42.0.0/16, a quarter into a smaller network."""
        return int(self.subnet.network_address) + min(_MOST_GATEWAYS, self.subnet.num_addresses // 4)

    @property
    def last(self) -> int:
        """The last address of containers; the very last one is the broadcast's."""
        return int(self.subnet.broadcast_address) - 1

    @property
    def size(self) -> int:
        """How many containers can have an address."""
        return self.last - self.first + 1

    @property
    def most_hosts(self) -> int:
        """How many hosts can have a gateway."""
        return self.first - int(self.subnet.network_address) - 2

    def gateway(self, number: int) -> str:
        """The gateway of the host with this number, from 1 on."""
        return str(self.subnet.network_address + number)

    def following(self, after: str, count: int) -> list[str]:
        """The `count` addresses of containers that come next, from the last one to the first again."""
        start = self._place_after(after)
        return [str(IPv4Address(self.first + (start + step) % self.size)) for step in range(min(count, self.size))]

    def _place_after(self, after: str) -> int:
        known = int(IPv4Address(after)) - self.first if after else -1
        return (known + 1) % self.size if 0 <= known < self.size else 0

    def refusal(self, address: str) -> str:
        """Why a container cannot have this address, whoever has it now; empty when it can."""
        try:
            asked = IPv4Address(address)
        except AddressValueError:
            return f"{address[:64]!r} is not an IPv4 address."
        if asked not in self.subnet:
            return f"{asked} is not in {self.subnet}, the network of this environment."
        if int(asked) < self.first:
            first = IPv4Address(self.first)
            return f"{asked} is kept for the gateways of hosts; addresses of containers begin at {first}."
        return f"{asked} is the broadcast address of {self.subnet}." if int(asked) > self.last else ""


def first_free(candidates: Iterable[str], taken: Collection[str]) -> str | None:
    """The first candidate that nobody has."""
    return next((each for each in candidates if each not in taken), None)


def free_number(taken: Collection[int], most: int) -> int | None:
    """The smallest number from 1 to `most` that no host has."""
    return next((number for number in range(1, most + 1) if number not in taken), None)


def mac_of(address: str) -> str:
    """The MAC address that belongs to an address, wherever its container runs."""
    return "02:42:" + ":".join(f"{byte:02x}" for byte in IPv4Address(address).packed)


def tunnel_address(number: int) -> str:
    """The address of a host inside WireGuard, with its network's length."""
    return f"{TUNNELS.network_address + number}/{TUNNELS.prefixlen}"


def parse_subnet(text: str, routes: Mapping[str, Iterable[str]] | None = None, *, field: str = "subnet") -> str:
    """A subnet in its usual form. `routes` are the networks that hosts reach already, by the hosts' names.

    Raises `Invalid` for one that is malformed, not private, too small or too large, or that overlaps another network.
    """
    try:
        subnet = IPv4Network(text.strip())
    except (AddressValueError, NetmaskValueError, ValueError):
        why = f"{text[:64]!r} is not an IPv4 network; write it like {DEFAULT_SUBNET}, without bits behind the length."
        raise Invalid(field, "InvalidFormat", why) from None
    if why := _misfit(subnet) or _overlap(subnet, routes or {}):
        raise Invalid(field, "InvalidOption", f"{subnet} {why}")
    return str(subnet)


def _misfit(subnet: IPv4Network) -> str:
    if not any(subnet.subnet_of(private) for private in _PRIVATE):
        return f"is not a private network; take a part of {_PRIVATE[0]}, {_PRIVATE[1]} or {_PRIVATE[2]}."
    if subnet.prefixlen > SMALLEST_PREFIX:
        return f"is too small: hosts and containers need a /{SMALLEST_PREFIX} or larger."
    if subnet.prefixlen < LARGEST_PREFIX:
        return f"is larger than a managed network may be; take a /{LARGEST_PREFIX} or smaller."
    if subnet.overlaps(TUNNELS):
        return f"overlaps {TUNNELS}, the hosts' addresses inside their tunnels; choose another network."
    if subnet.overlaps(ENGINE_DEFAULT):
        return f"overlaps {ENGINE_DEFAULT}, the default network of Docker engines; choose another network."
    return ""


def _overlap(subnet: IPv4Network, routes: Mapping[str, Iterable[str]]) -> str:
    for host, texts in routes.items():
        for route in _networks(texts):
            if route.prefixlen > 0 and subnet.overlaps(route):
                return f"overlaps {route}, which {host} reaches already; choose another network."
    return ""


def _networks(texts: Iterable[str]) -> Iterator[IPv4Network]:
    """Those that can be read; what a host reports is not trusted to be well made."""
    for text in texts:
        try:
            yield IPv4Network(text, strict=False)
        except ValueError:
            continue
