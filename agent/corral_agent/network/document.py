"""The document "network": the managed network as one host is to have it; read strictly, pure.

`{environment, subnet, gateway, network, bridge, port, vni, udpPort, mtu, encryption, address, wireguard, peers,
containers, policy}`. Keys that are not known are passed over, since the portal may be newer.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from corral_agent.documents import DocumentRefused

T = TypeVar("T")

MODES = ("all", "linked", "stack")
_LINK_NAME = re.compile(r"[a-z][a-z0-9-]{0,14}")
_NETWORK_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_MAC = re.compile(r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}")
_MAX_PEERS, _MAX_CONTAINERS, _MAX_ALLOWED = 1000, 65536, 65536
_MAX_GROUP = 2**31


@dataclass(frozen=True, slots=True)
class Peer:
    """Another host of the environment; `gateway` is its bridge's address, `public_key` "" until it has reported one."""

    host: str
    name: str
    address: str
    public_key: str = ""
    tunnel_address: str = ""
    gateway: str = ""


@dataclass(frozen=True, slots=True)
class ManagedAddress:
    """A container of the environment, on whichever host."""

    address: str
    mac: str


@dataclass(frozen=True, slots=True)
class WireGuard:
    """The tunnels' own network: this host's address in it, and the UDP port that all hosts listen on."""

    port: int
    address: str
    prefix: int


@dataclass(frozen=True, slots=True)
class NetworkPolicy:
    """Who may reach whom. Members of one group reach each other, and so do the groups of one of the `stacks`.

    Of each pair in `allowed` the first group opens connections to the second, which only answers. In mode "all" nothing
    of it counts. An address without a group reaches nobody, and only hosts reach it.
    """

    mode: str = "all"
    groups: Mapping[str, int] = field(default_factory=dict)
    allowed: frozenset[tuple[int, int]] = frozenset()
    stacks: tuple[frozenset[int], ...] = ()


@dataclass(frozen=True, slots=True)
class NetworkDocument:
    """The managed network as this host is to have it. `wireguard` is None without encryption."""

    version: int
    environment: str
    subnet: str
    gateway: str
    network: str
    bridge: str
    port: str
    vni: int
    udp_port: int
    mtu: int
    address: str
    wireguard: WireGuard | None
    peers: tuple[Peer, ...]
    containers: tuple[ManagedAddress, ...]
    policy: NetworkPolicy

    @property
    def bridge_address(self) -> str:
        """The bridge's own address, with the length of its prefix."""
        return f"{self.gateway}/{self.subnet.partition('/')[2]}"

    @property
    def local_address(self) -> str:
        """The end of VXLAN that is here."""
        return self.wireguard.address if self.wireguard else self.address

    @property
    def remote_addresses(self) -> frozenset[str]:
        """The other hosts' ends of VXLAN, as far as they are known."""
        if self.wireguard is None:
            return frozenset(peer.address for peer in self.peers)
        return frozenset(peer.tunnel_address for peer in self.peers if peer.public_key)


def parse_document(document: Mapping[str, Any]) -> NetworkDocument:
    """The document as values. Raises `DocumentRefused`, which names the field."""
    fields = _Fields(document, "")
    subnet = fields.read("subnet", _subnet)
    wireguard = _parse_wireguard(fields)
    parsed = NetworkDocument(
        version=fields.read("version", _number(0, 2**63)),
        environment=fields.read("environment", _label),
        subnet=str(subnet),
        gateway=fields.read("gateway", _address_in(subnet)),
        network=fields.read("network", _matching(_NETWORK_NAME)),
        bridge=fields.read("bridge", _matching(_LINK_NAME)),
        port=fields.read("port", _matching(_LINK_NAME)),
        vni=fields.read("vni", _number(1, 2**24 - 1)),
        udp_port=fields.read("udpPort", _number(1, 65535)),
        mtu=fields.read("mtu", _number(576, 65485)),
        address=fields.read("address", _address),
        wireguard=wireguard,
        peers=tuple(
            _parse_peer(each, subnet, encrypted=wireguard is not None) for each in fields.rows("peers", _MAX_PEERS)
        ),
        containers=tuple(_parse_container(each, subnet) for each in fields.rows("containers", _MAX_CONTAINERS)),
        policy=_parse_policy(fields),
    )
    _refuse_repeated("containers", [container.address for container in parsed.containers])
    if parsed.bridge == parsed.port:
        raise DocumentRefused("port must not be the bridge's name")
    return parsed


def _parse_wireguard(fields: _Fields) -> WireGuard | None:
    encryption = fields.read("encryption", _one_of("wireguard", "none"))
    if encryption == "none":
        return None
    inner = fields.part("wireguard")
    interface = inner.read("address", _interface)
    return WireGuard(inner.read("port", _number(1, 65535)), str(interface.ip), interface.network.prefixlen)


def _parse_peer(fields: _Fields, subnet: ipaddress.IPv4Network, *, encrypted: bool) -> Peer:
    return Peer(
        host=fields.read("host", _label),
        name=fields.read("name", _label),
        address=fields.read("address", _address),
        public_key=fields.read("publicKey", _public_key) if encrypted else "",
        tunnel_address=fields.read("tunnelAddress", _address) if encrypted else "",
        gateway=fields.read("gateway", _address_in(subnet), ""),
    )


def _parse_container(fields: _Fields, subnet: ipaddress.IPv4Network) -> ManagedAddress:
    return ManagedAddress(fields.read("address", _address_in(subnet)), fields.read("mac", _matching(_MAC)))


def _parse_policy(fields: _Fields) -> NetworkPolicy:
    inner = fields.part("policy", optional=True)
    nothing = NetworkPolicy()
    return NetworkPolicy(
        mode=inner.read("mode", _one_of(*MODES), nothing.mode),
        groups=inner.read("groups", _groups, nothing.groups),
        allowed=inner.read("allowed", _allowed, nothing.allowed),
        stacks=inner.read("stacks", _stacks, nothing.stacks),
    )


class _Fields:
    """The fields of one object, read by converters that raise `ValueError` with what is wrong."""

    def __init__(self, found: object, path: str) -> None:
        if not isinstance(found, Mapping):
            raise DocumentRefused(f"{path or 'it'} is not an object")
        self._found, self._path = found, path

    def read(self, name: str, convert: Callable[[Any], T], default: T | None = None) -> T:
        found = self._found.get(name)
        path = f"{self._path}.{name}" if self._path else name
        if found is None:
            if default is None:
                raise DocumentRefused(f"{path} is missing")
            return default
        try:
            return convert(found)
        except (ValueError, TypeError) as error:
            raise DocumentRefused(f"{path}: {str(error)[:200]}") from None

    def part(self, name: str, *, optional: bool = False) -> _Fields:
        found = self._found.get(name)
        path = f"{self._path}.{name}" if self._path else name
        return _Fields({} if optional and found is None else found, path)

    def rows(self, name: str, limit: int) -> list[_Fields]:
        found = self.read(name, _list(limit))
        return [_Fields(each, f"{name}[{number}]") for number, each in enumerate(found)]


def _refuse_repeated(name: str, values: list[str]) -> None:
    seen: set[str] = set()
    for value in values:
        if value in seen:
            raise DocumentRefused(f"{name}: {value} is there twice")
        seen.add(value)


def _text(found: object) -> str:
    if not isinstance(found, str):
        raise ValueError("it is not a text")  # noqa: TRY004 - converters raise one kind
    return found


def _label(found: object) -> str:
    text = str(found) if type(found) is int else _text(found)
    if not 0 < len(text) <= 255 or not text.isprintable():
        raise ValueError("it is no name")
    return text


def _matching(pattern: re.Pattern[str]) -> Callable[[object], str]:
    def convert(found: object) -> str:
        text = _text(found)
        if not pattern.fullmatch(text):
            raise ValueError(f"{text[:40]!r} has another form than {pattern.pattern}")
        return text

    return convert


def _one_of(*values: str) -> Callable[[object], str]:
    def convert(found: object) -> str:
        if found not in values:
            raise ValueError(f"it is none of {', '.join(values)}")
        return str(found)

    return convert


def _number(lowest: int, highest: int) -> Callable[[object], int]:
    def convert(found: object) -> int:
        if type(found) is not int or not lowest <= found <= highest:
            raise ValueError(f"it is no number from {lowest} to {highest}")
        return found

    return convert


def _list(limit: int) -> Callable[[object], list[Any]]:
    def convert(found: object) -> list[Any]:
        if not isinstance(found, list) or len(found) > limit:
            raise ValueError(f"it is no list of at most {limit} entries")
        return found

    return convert


def _address(found: object) -> str:
    return str(ipaddress.IPv4Address(_text(found)))


def _interface(found: object) -> ipaddress.IPv4Interface:
    return ipaddress.IPv4Interface(_text(found))


def _subnet(found: object) -> ipaddress.IPv4Network:
    return ipaddress.IPv4Network(_text(found))


def _address_in(subnet: ipaddress.IPv4Network) -> Callable[[object], str]:
    def convert(found: object) -> str:
        address = ipaddress.IPv4Address(_text(found))
        if address not in subnet:
            raise ValueError(f"{address} is outside {subnet}")
        return str(address)

    return convert


def _public_key(found: object) -> str:
    text = _text(found)
    try:
        is_key = not text or len(base64.b64decode(text, validate=True)) == 32
    except (binascii.Error, ValueError):
        is_key = False
    if not is_key or len(text) not in {0, 44}:
        raise ValueError("it is no WireGuard key")
    return text


def _groups(found: object) -> Mapping[str, int]:
    if not isinstance(found, Mapping) or len(found) > _MAX_CONTAINERS:
        raise ValueError("it is no object with a group for each address")
    return {_address(address): _number(1, _MAX_GROUP)(group) for address, group in found.items()}


def _allowed(found: object) -> frozenset[tuple[int, int]]:
    pairs = _list(_MAX_ALLOWED)(found)
    number = _number(1, _MAX_GROUP)
    if not all(isinstance(pair, list) and len(pair) == 2 for pair in pairs):
        raise ValueError("it is no list of pairs")
    return frozenset((number(first), number(second)) for first, second in pairs)


def _stacks(found: object) -> tuple[frozenset[int], ...]:
    number = _number(1, _MAX_GROUP)
    stacks = [[number(group) for group in _list(_MAX_CONTAINERS)(stack)] for stack in _list(_MAX_CONTAINERS)(found)]
    groups = [group for stack in stacks for group in stack]
    if len(groups) != len(set(groups)):
        raise ValueError("a group is there twice")
    return tuple(map(frozenset, stacks))
