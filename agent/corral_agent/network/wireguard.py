"""WireGuard between the hosts: what is there, and the arguments of `wg set` that make it as it is to be; pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from corral_agent.network.document import NetworkDocument, Peer

DEVICE = "corral-wg"
MTU = 1420
KERNEL_KIND = "wireguard"  # what the kernel calls its own devices of this kind; wireguard-go's are of another
NO_ACCESS = "Unable to access interface"  # what `wg` says of a device that nobody answers for
_KEEPALIVE = 25
HANDSHAKE_STALE = 180.0  # a living peer renews it every 120 s


@dataclass(frozen=True, slots=True)
class FoundPeer:
    """A peer as the device has it. `handshake` is a time of day, 0 before the first."""

    endpoint: str
    allowed: str
    handshake: int = 0
    received: int = 0
    sent: int = 0
    keepalive: int = 0

    def is_reachable(self, now: float) -> bool:
        """Whether it was heard of lately."""
        return self.handshake > 0 and now - self.handshake < HANDSHAKE_STALE


@dataclass(frozen=True, slots=True)
class FoundWireGuard:
    """The device as it is."""

    public_key: str = ""
    port: int = 0
    peers: Mapping[str, FoundPeer] = field(default_factory=dict)


def parse_dump(text: str) -> FoundWireGuard:
    """From `wg show DEVICE dump`. The private key in it is passed over."""
    lines = [line.split("\t") for line in text.splitlines() if line]
    if not lines or len(lines[0]) < 4:
        return FoundWireGuard()
    return FoundWireGuard(
        public_key=lines[0][1],
        port=_number(lines[0][2]),
        peers={row[0]: _parse_peer(row) for row in lines[1:] if len(row) >= 8},
    )


def _parse_peer(row: list[str]) -> FoundPeer:
    _, _, endpoint, allowed, handshake, received, sent, keepalive = row[:8]
    return FoundPeer(endpoint, allowed, *map(_number, (handshake, received, sent, keepalive)))


def _number(text: str) -> int:
    return int(text) if text.isdigit() else 0


def plan_settings(
    document: NetworkDocument,
    found: FoundWireGuard,
    *,
    key_file: str,
    public_key: str,
    moved: Collection[str] = (),
    now: float = 0.0,
) -> list[tuple[str, ...]]:
    """The commands that make the device as the document has it; `moved` are hosts whose address has changed."""
    wanted = document.wireguard
    if wanted is None:
        return []
    steps: list[tuple[str, ...]] = []
    if found.public_key != public_key or found.port != wanted.port:
        steps.append(("wg", "set", DEVICE, "listen-port", str(wanted.port), "private-key", key_file))
    peers = {peer.public_key: peer for peer in document.peers if peer.public_key and peer.public_key != public_key}
    steps += [("wg", "set", DEVICE, "peer", key, "remove") for key in found.peers if key not in peers]
    for key, peer in peers.items():
        steps += _plan_peer(peer, wanted.port, found.peers.get(key), is_moved=peer.host in moved, now=now)
    return steps


def _plan_peer(peer: Peer, port: int, found: FoundPeer | None, *, is_moved: bool, now: float) -> list[tuple[str, ...]]:
    """A peer behind NAT is heard from another address than its own, which is left alone as long as it is heard."""
    endpoint, allowed = f"{peer.address}:{port}", f"{peer.tunnel_address}/32"
    has_other_endpoint = found is None or found.endpoint != endpoint
    is_left_alone = found is not None and not is_moved and found.is_reachable(now)
    words: list[str] = []
    if has_other_endpoint and not is_left_alone:
        words += ["endpoint", endpoint]
    if found is None or found.allowed != allowed:
        words += ["allowed-ips", allowed]
    if found is None or found.keepalive != _KEEPALIVE:
        words += ["persistent-keepalive", str(_KEEPALIVE)]
    return [("wg", "set", DEVICE, "peer", peer.public_key, *words)] if words else []
