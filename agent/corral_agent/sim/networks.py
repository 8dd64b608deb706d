"""Addresses and published ports of a simulated engine."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from corral_agent.sim.box import Box
from corral_agent.sim.refusals import Refusal, conflict, missing

_FIRST_EPHEMERAL, _LAST_EPHEMERAL = 49153, 65535
_EVERYWHERE = {"", "0.0.0.0", "::"}  # noqa: S104  # compared with, not listened on

Published = tuple[str, int, str]


@dataclass(slots=True)
class Network:
    """A network of one /16 and the addresses in use on it."""

    name: str
    second_byte: int
    labels: Mapping[str, str] = field(default_factory=dict)
    driver: str = "bridge"
    id: str = field(default_factory=lambda: secrets.token_hex(32))
    made: int = field(default_factory=time.time_ns)
    used: dict[str, str] = field(default_factory=dict)
    last: int = 1

    def join(self, key: str, wanted: str = "") -> str:
        """An address for this container: the wanted one, or one that was not free a moment ago."""
        if wanted:
            if wanted in self.used:
                raise Refusal(403, "Address already in use")
            self.used[wanted] = key
            return wanted
        for _ in range(65534):
            self.last = self.last % 65534 + 1
            address = f"172.{self.second_byte}.{self.last // 256}.{self.last % 256}"
            if self.last > 1 and address not in self.used:
                self.used[address] = key
                return address
        raise Refusal(500, f"no available IPv4 addresses on network {self.name}")


class Networks:
    """All networks of an engine, and the ports that are published on its host."""

    def __init__(self) -> None:
        own = (Network("bridge", 17), Network("host", 0, driver="host"), Network("none", 0, driver="null"))
        self.by_name = {network.name: network for network in own}
        self._ports: dict[tuple[int, str], list[str]] = {}
        self._next = _FIRST_EPHEMERAL

    def make(self, name: str, labels: Mapping[str, str], driver: str = "bridge") -> Network:
        """A new network. Raises `Refusal` when the name is in use."""
        if name in self.by_name:
            raise conflict(f"network with name {name} already exists")
        taken = {network.second_byte for network in self.by_name.values()}
        free = next((byte for byte in range(18, 256) if byte not in taken), None)
        if free is None:
            raise Refusal(500, "could not find an available, non-overlapping IPv4 address pool")
        return self.by_name.setdefault(name, Network(name, free, labels, driver))

    def get(self, name: str) -> Network:
        """By name or id. Raises `Refusal`."""
        found = self.by_name.get(name) or next((n for n in self.by_name.values() if n.id == name), None)
        if found is None:
            raise missing(f"network {name} not found")
        return found

    def remove(self, name: str) -> Network:
        """Take it away. Raises `Refusal` while containers run on it, and for the engine's own."""
        network = self.get(name)
        if network.name in {"bridge", "host", "none"}:
            raise Refusal(403, f"{network.name} is a pre-defined network and cannot be removed")
        if network.used:
            raise Refusal(
                403, f"error while removing network: network {network.name} id {network.id} has active endpoints"
            )
        return self.by_name.pop(network.name)

    def names(self, box: Box) -> list[str]:
        """The networks it asks for."""
        points = (box.body.get("NetworkingConfig") or {}).get("EndpointsConfig") or {}
        return [] if box.mode.startswith("container:") else list(dict.fromkeys((box.mode, *points)))

    def join(self, box: Box) -> None:
        """Addresses and ports for a container that starts, all or none. Raises what the engine would."""
        networks = [self.get(name) for name in box.addresses or self.names(box)]
        box.addresses = dict.fromkeys((network.name for network in networks), "")
        try:
            box.ports = {} if box.mode in {"host", "none"} else self._publish(box)
            for network in networks:
                if network.name not in {"host", "none"}:
                    box.addresses[network.name] = network.join(box.id, _wanted(box, network))
        except Refusal:
            self.leave(box)
            raise

    def leave(self, box: Box) -> None:
        """Take back what a container that ended had."""
        for name, address in box.addresses.items():
            if name in self.by_name:
                self.by_name[name].used.pop(address, None)
        for address, port, protocol in _published(box.ports):
            self._ports.get((port, protocol), []).remove(address)
        box.addresses, box.ports = dict.fromkeys(box.addresses, ""), {}

    def connect(self, name: str, box: Box) -> None:
        """Plug a container in."""
        network = self.get(name)
        if network.name in box.addresses:
            raise Refusal(403, f"endpoint with name {box.name} already exists in network {network.name}")
        box.addresses[network.name] = network.join(box.id) if box.running else ""

    def disconnect(self, name: str, box: Box) -> None:
        """Unplug it."""
        network = self.get(name)
        if network.name not in box.addresses:
            raise Refusal(500, f"container {box.id} is not connected to the network {network.name}")
        network.used.pop(box.addresses.pop(network.name), None)

    def _publish(self, box: Box) -> dict[str, list[dict[str, str]]]:
        wanted = {key: [dict(b) for b in binds or ()] for key, binds in (box.config.get("PortBindings") or {}).items()}
        ports = {key: wanted.get(key, []) for key in (*(box.body.get("ExposedPorts") or {}), *wanted)}
        taken: list[Published] = []
        for key, binds in wanted.items():
            for bind in binds:
                taken.append(self._bind(box, bind, key.partition("/")[2] or "tcp", taken))
        for address, port, protocol in taken:
            self._ports.setdefault((port, protocol), []).append(address)
        return ports

    def _bind(self, box: Box, bind: dict[str, str], protocol: str, taken: Iterable[Published]) -> Published:
        bind["HostIp"] = bind.get("HostIp") or "0.0.0.0"  # noqa: S104  # nothing listens
        bind["HostPort"] = bind.get("HostPort") or str(self._ephemeral(protocol))
        asked = (bind["HostIp"], int(bind["HostPort"]), protocol)
        there = [(address, *asked[1:]) for address in self._ports.get(asked[1:], ())]
        if any(_clash(asked, other) for other in (*there, *taken)):
            raise Refusal(
                500,
                f"driver failed programming external connectivity on endpoint {box.name}: "
                f"Bind for {bind['HostIp']}:{bind['HostPort']} failed: port is already allocated",
            )
        return asked

    def _ephemeral(self, protocol: str) -> int:
        for _ in range(_FIRST_EPHEMERAL, _LAST_EPHEMERAL + 1):
            port = self._next
            self._next = port + 1 if port < _LAST_EPHEMERAL else _FIRST_EPHEMERAL
            if not self._ports.get((port, protocol)):
                return port
        raise conflict("all ports are allocated")


def _wanted(box: Box, network: Network) -> str:
    points: Mapping[str, Any] = (box.body.get("NetworkingConfig") or {}).get("EndpointsConfig") or {}
    return str(((points.get(network.name) or {}).get("IPAMConfig") or {}).get("IPv4Address") or "")


def _clash(one: Published, other: Published) -> bool:
    """Whether two published (address, port, protocol) cannot stand side by side."""
    return one[1:] == other[1:] and (one[0] == other[0] or bool({one[0], other[0]} & _EVERYWHERE))


def _published(ports: Mapping[str, Iterable[Mapping[str, str]]]) -> Iterator[Published]:
    for key, binds in ports.items():
        for bind in binds:
            yield bind["HostIp"], int(bind["HostPort"]), key.partition("/")[2] or "tcp"
