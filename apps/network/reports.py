"""What a host's agent reports of the managed network, read without trust; pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from apps.core.texts import strip_unstorable

_STATES = frozenset({"active", "starting", "error", "off"})
_KEY = re.compile(r"[A-Za-z0-9+/]{43}=")
_MOST_PEERS = 1024
_TRAFFIC = ("received", "sent", "dropped")
_COUNTERS = ("handshakeAgeSeconds", "received", "sent")
_LONGEST_REASON = 300

PeerStatus = dict[str, Any]


@dataclass(frozen=True, slots=True)
class HostReport:
    """A report; `peers` has, by the uuid of each other host, whether it is reached, the last handshake and counters.

    `traffic` are bytes received and sent, and packets lost, since the devices were made; empty from older agents.
    """

    state: str
    reason: str = ""
    public_key: str = ""
    conflict: str = ""
    peers: Mapping[str, PeerStatus] = field(default_factory=dict)
    traffic: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def parse(cls, status: Mapping[str, Any]) -> HostReport | None:
        """The report, without what is not understood; None without a state."""
        state = status.get("state")
        if not isinstance(state, str) or state not in _STATES:
            return None
        key, peers = status.get("publicKey"), status.get("peers")
        return cls(
            state,
            _line(status.get("reason")),
            key if isinstance(key, str) and _KEY.fullmatch(key) else "",
            _line(status.get("subnetConflict")),
            _read_peers(peers) if isinstance(peers, dict) else {},
            _read_traffic(status.get("traffic")),
        )

    @property
    def reachable(self) -> Mapping[str, bool]:
        """Which other hosts are reached."""
        return self.reachable_in(self.peers)

    @staticmethod
    def reachable_in(peers: Mapping[str, PeerStatus]) -> Mapping[str, bool]:
        """Which other hosts are reached, of stored peers."""
        return {name: peer.get("reachable") is True for name, peer in peers.items()}


def _line(value: object) -> str:
    text = strip_unstorable(value) if isinstance(value, str) else ""
    return " ".join(str(text).split())[:_LONGEST_REASON]


def _read_peers(peers: Mapping[object, object]) -> dict[str, PeerStatus]:
    found = {}
    for name, peer in list(peers.items())[:_MOST_PEERS]:
        if isinstance(peer, dict):
            counters = {key: peer[key] for key in _COUNTERS if _is_counter(peer.get(key))}
            found[_line(name)[:64]] = {**counters, "reachable": peer.get("reachable") is True}
    return found


def _read_traffic(found: object) -> dict[str, int]:
    """All of the counters, or none."""
    if not isinstance(found, dict) or not all(_is_counter(found.get(name)) for name in _TRAFFIC):
        return {}
    return {name: int(found[name]) for name in _TRAFFIC}


def server_state(status: Mapping[str, Any]) -> tuple[str, str] | None:
    """How an agent's name or metadata server is, and why; None without a state that is understood."""
    state = status.get("state")
    known = isinstance(state, str) and state in {"active", "waiting", "error", "off"}
    return (str(state), _line(status.get("reason"))) if known else None


def _is_counter(value: object) -> bool:
    return isinstance(value, int | float) and type(value) is not bool and 0 <= value < 2**63
