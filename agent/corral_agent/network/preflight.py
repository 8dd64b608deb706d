"""The check of the hosts of an environment, as far as it is pure: the frames they send each other, what was heard.

A hello is an Ethernet frame of our own type that goes out of the VXLAN port to all other hosts, so that its arrival
proves the way that containers' packets take: the UDP port of VXLAN or WireGuard in every firewall between and on the
hosts, the number of the network, and the length. Nobody answers one: each host reports whom it has heard, and a way
that is cut in one direction shows as such. Its destination is an address that bridges keep to themselves, so that it
reaches no container, and none that a container sends leaves its host.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import socket
import struct
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from corral_agent.documents import DocumentRefused
from corral_agent.network.document import NetworkDocument, parse_document
from corral_agent.network.preflight_throughput import ThroughputTask, parse_task
from corral_agent.network.wireguard import DEVICE

ETHER_TYPE = 0x88B5  # IEEE 802, local experiments
LINK_LOCAL = bytes.fromhex("0180c200000b")  # of those that no bridge forwards (IEEE 802.1D)
SMALL = 128
_SIZES = (SMALL, 576, 1000, 1280)
_HEAD = struct.Struct("!8sQ4sIHd")
_MAGIC, _PROOF = b"corralpf", 16
_ETHERNET = 14


@dataclass(frozen=True, slots=True)
class CheckDocument:
    """A check to take part in; `key` is known to the environment's hosts alone, and proves who sent a hello.

    `throughput` is what this host is to measure besides, None in most checks.
    """

    number: int
    key: bytes
    network: NetworkDocument
    throughput: ThroughputTask | None = None

    @property
    def sizes(self) -> tuple[int, ...]:
        """The lengths of hellos, as of the packets of containers: the longest is the longest that these may have."""
        return (*(size for size in _SIZES if size < self.network.mtu), self.network.mtu)

    @property
    def hosts(self) -> Mapping[str, str]:
        """The other hosts by the addresses of their bridges."""
        return {peer.gateway: peer.host for peer in self.network.peers if peer.gateway}


def parse_check(document: Mapping[str, Any]) -> CheckDocument | None:
    """The check in a document; None when there is none now. Raises `DocumentRefused`."""
    number, key = document.get("check"), document.get("key")
    if type(number) is not int or not 0 <= number < 2**63:
        raise DocumentRefused("check is no number")
    if number == 0:
        return None
    try:
        secret = bytes.fromhex(key if isinstance(key, str) else "")
    except ValueError:
        raise DocumentRefused("key is not written in hexadecimal digits") from None
    if len(secret) < 16:
        raise DocumentRefused("key is shorter than 16 bytes")
    return CheckDocument(number, secret, parse_document(document), parse_task(document.get("throughput")))


@dataclass(frozen=True, slots=True)
class Hello:
    """What a host sends: its bridge's address, the number of the round, the frame's length, and its clock."""

    sender: str
    number: int
    size: int
    clock: float


def encode_hello(check: CheckDocument, hello: Hello, mac: bytes) -> bytes:
    """The whole frame, from the device that has this MAC address."""
    sender = socket.inet_aton(hello.sender)
    body = _HEAD.pack(_MAGIC, check.number, sender, hello.number, hello.size, hello.clock)
    frame = LINK_LOCAL + mac + ETHER_TYPE.to_bytes(2) + body + _proof(check, body)
    return frame.ljust(_ETHERNET + hello.size, b"\0")


def decode_hello(check: CheckDocument, frame: bytes) -> Hello | None:
    """The hello in a frame that another host of this check has sent, whole; None for everything else."""
    end = _ETHERNET + _HEAD.size
    if len(frame) < end + _PROOF or frame[12:_ETHERNET] != ETHER_TYPE.to_bytes(2):
        return None
    body = frame[_ETHERNET:end]
    magic, number, sender, count, size, clock = _HEAD.unpack(body)
    address = socket.inet_ntoa(sender)
    is_expected = magic == _MAGIC and number == check.number and address in check.hosts
    if not is_expected or not hmac.compare_digest(frame[end : end + _PROOF], _proof(check, body)):
        return None
    return Hello(address, count, size, clock) if len(frame) == _ETHERNET + size else None


def _proof(check: CheckDocument, body: bytes) -> bytes:
    return hmac.digest(check.key, body, hashlib.sha256)[:_PROOF]


@dataclass(slots=True)
class Heard:
    """What this host knows of the way from one other host.

    `clock` is the smallest difference of its own clock to what a hello said, which is the other's lag and the time that
    the hello took; `round_trip` and `direct` the shortest answer in milliseconds, through the network and beside it;
    `is_carried` whether WireGuard received anything, None without encryption.
    """

    sizes: dict[int, int] = field(default_factory=dict)
    first: int = 0
    last: dict[int, int] = field(default_factory=dict)
    clock: float | None = None
    round_trip: float | None = None
    direct: float | None = None
    is_carried: bool | None = None

    def take(self, hello: Hello, now: float) -> None:
        """Count a hello; one that comes again, or too late, counts for nothing."""
        if hello.number <= self.last.get(hello.size, -1):
            return
        if not self.last:
            self.first = hello.number
        self.last[hello.size] = hello.number
        self.sizes[hello.size] = self.sizes.get(hello.size, 0) + 1
        late = now - hello.clock
        self.clock = late if self.clock is None else min(self.clock, late)

    def as_json(self) -> dict[str, Any]:
        """For the portal."""
        return {
            "sizes": {str(size): count for size, count in sorted(self.sizes.items())},
            "expected": self.last[SMALL] - self.first + 1 if SMALL in self.last else 0,
            "clock": self.clock if self.clock is None else round(self.clock, 4),
            "roundTrip": self.round_trip,
            "direct": self.direct,
            "carried": self.is_carried,
        }


def overlapping_routes(network: NetworkDocument, routes: Iterable[tuple[str, str]]) -> list[str]:
    """The host's routes into the environment's network, or among the tunnels' addresses, that lead elsewhere."""
    own = [(ipaddress.ip_network(network.subnet), network.bridge)]
    if network.wireguard:
        tunnels = f"{network.wireguard.address}/{network.wireguard.prefix}"
        own.append((ipaddress.ip_network(tunnels, strict=False), DEVICE))
    found = []
    for destination, device in sorted(routes):
        try:
            route = ipaddress.ip_network(destination)
        except ValueError:
            continue
        found += [f"{route} via {device}" for net, ours in own if net.overlaps(route) and device != ours]
    return found


def parse_received(text: str, keys: Collection[str]) -> dict[str, int]:
    """From `wg show DEVICE transfer`: how many bytes came from each of these peers."""
    rows = [line.split("\t") for line in text.splitlines()]
    return {row[0]: int(row[1]) for row in rows if len(row) == 3 and row[0] in keys and row[1].isdigit()}
