"""The checks between simulated hosts: each hears all others at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from corral_agent.network.preflight import CheckDocument, Heard, Hello, parse_check


class SimulatedPreflightHandler:
    """Reports a good way from every other host as soon as it knows of a check."""

    def __init__(self) -> None:
        self._check: CheckDocument | None = None
        self._changed: Callable[[], None] = lambda: None

    def start(self, changed: Callable[[], None]) -> None:
        """Remember whom to call."""
        self._changed = changed

    def apply(self, document: Mapping[str, Any]) -> None:
        """Take part."""
        self._check = parse_check(document)

    def status(self) -> dict[str, Any]:
        """One hello of each length from every other host, half a millisecond away."""
        if self._check is None:
            return {"state": "idle", "check": 0}
        heard = Heard(round_trip=0.5, direct=0.4, is_carried=True if self._check.network.wireguard else None)
        for size in self._check.sizes:
            heard.take(Hello("", 1, size, 0.0), 0.0)
        return {
            "state": "running",
            "check": self._check.number,
            "seconds": 1,
            "reason": "",
            "routes": [],
            "names": {"own": True, "upstream": {"192.0.2.53": True}},
            "peers": {peer.host: heard.as_json() for peer in self._check.network.peers},
            **self._throughput(),
        }

    def _throughput(self) -> dict[str, Any]:
        """A gigabit a second, where it is to be measured."""
        task = self._check.throughput if self._check is not None else None
        return {"throughput": {"host": task.host, "bytes": 125_000_000, "seconds": 1.0, "reason": ""}} if task else {}

    async def close(self) -> None:
        """Nothing has to end."""
