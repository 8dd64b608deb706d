"""Addresses and published ports of a simulated engine."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from corral_agent.simulated.container import SimulatedContainer
from corral_agent.simulated.errors import EngineApiError, conflict, not_found

_FIRST_EPHEMERAL, _LAST_EPHEMERAL = 49153, 65535
_ALL_ADDRESSES = {"", "0.0.0.0", "::"}  # noqa: S104  # compared with, not listened on

PublishedPort = tuple[str, int, str]


@dataclass(slots=True)
class SimulatedNetwork:
    """A network of one /16 and the addresses in use on it."""

    name: str
    second_byte: int
    labels: Mapping[str, str] = field(default_factory=dict)
    driver: str = "bridge"
    id: str = field(default_factory=lambda: secrets.token_hex(32))
    created_at: int = field(default_factory=time.time_ns)
    used: dict[str, str] = field(default_factory=dict)
    last: int = 1

    def join(self, key: str, wanted: str = "") -> str:
        """An address for this container: the wanted one, or one that was not free a moment ago."""
        if wanted:
            if wanted in self.used:
                raise EngineApiError(403, "Address already in use")
            self.used[wanted] = key
            return wanted
        for _ in range(65534):
            self.last = self.last % 65534 + 1
            address = f"172.{self.second_byte}.{self.last // 256}.{self.last % 256}"
            if self.last > 1 and address not in self.used:
                self.used[address] = key
                return address
        raise EngineApiError(500, f"no available IPv4 addresses on network {self.name}")


class SimulatedNetworks:
    """All networks of an engine, and the ports that are published on its host."""

    def __init__(self) -> None:
        own = (
            SimulatedNetwork("bridge", 17),
            SimulatedNetwork("host", 0, driver="host"),
            SimulatedNetwork("none", 0, driver="null"),
        )
        self.by_name = {network.name: network for network in own}
        self._ports: dict[tuple[int, str], list[str]] = {}
        self._next = _FIRST_EPHEMERAL

    def make(self, name: str, labels: Mapping[str, str], driver: str = "bridge") -> SimulatedNetwork:
        """A new network. Raises `EngineApiError` when the name is in use."""
        if name in self.by_name:
            raise conflict(f"network with name {name} already exists")
        taken = {network.second_byte for network in self.by_name.values()}
        free = next((byte for byte in range(18, 256) if byte not in taken), None)
        if free is None:
            raise EngineApiError(500, "could not find an available, non-overlapping IPv4 address pool")
        return self.by_name.setdefault(name, SimulatedNetwork(name, free, labels, driver))

    def get(self, name: str) -> SimulatedNetwork:
        """By name or id. Raises `EngineApiError`."""
        found = self.by_name.get(name) or next((n for n in self.by_name.values() if n.id == name), None)
        if found is None:
            raise not_found(f"network {name} not found")
        return found

    def remove(self, name: str) -> SimulatedNetwork:
        """Take it away. Raises `EngineApiError` while containers run on it, and for the engine's own."""
        network = self.get(name)
        if network.name in {"bridge", "host", "none"}:
            raise EngineApiError(403, f"{network.name} is a pre-defined network and cannot be removed")
        if network.used:
            raise EngineApiError(
                403, f"error while removing network: network {network.name} id {network.id} has active endpoints"
            )
        return self.by_name.pop(network.name)

    def names(self, container: SimulatedContainer) -> list[str]:
        """The networks it asks for."""
        endpoints = (container.body.get("NetworkingConfig") or {}).get("EndpointsConfig") or {}
        return [] if container.mode.startswith("container:") else list(dict.fromkeys((container.mode, *endpoints)))

    def join(self, container: SimulatedContainer) -> None:
        """Addresses and ports for a container that starts, all or none. Raises what the engine would."""
        networks = [self.get(name) for name in container.addresses or self.names(container)]
        container.addresses = dict.fromkeys((network.name for network in networks), "")
        try:
            container.ports = {} if container.mode in {"host", "none"} else self._publish(container)
            for network in networks:
                if network.name not in {"host", "none"}:
                    container.addresses[network.name] = network.join(
                        container.id, _requested_address(container, network)
                    )
        except EngineApiError:
            self.leave(container)
            raise

    def leave(self, container: SimulatedContainer) -> None:
        """Take back what a container that ended had."""
        for name, address in container.addresses.items():
            if name in self.by_name:
                self.by_name[name].used.pop(address, None)
        for address, port, protocol in _published_ports(container.ports):
            self._ports.get((port, protocol), []).remove(address)
        container.addresses, container.ports = dict.fromkeys(container.addresses, ""), {}

    def connect(self, name: str, container: SimulatedContainer) -> None:
        """Plug a container in."""
        network = self.get(name)
        if network.name in container.addresses:
            raise EngineApiError(403, f"endpoint with name {container.name} already exists in network {network.name}")
        container.addresses[network.name] = network.join(container.id) if container.running else ""

    def disconnect(self, name: str, container: SimulatedContainer) -> None:
        """Unplug it."""
        network = self.get(name)
        if network.name not in container.addresses:
            raise EngineApiError(500, f"container {container.id} is not connected to the network {network.name}")
        network.used.pop(container.addresses.pop(network.name), None)

    def _publish(self, container: SimulatedContainer) -> dict[str, list[dict[str, str]]]:
        wanted = {
            key: [dict(b) for b in binds or ()] for key, binds in (container.config.get("PortBindings") or {}).items()
        }
        ports = {key: wanted.get(key, []) for key in (*(container.body.get("ExposedPorts") or {}), *wanted)}
        taken: list[PublishedPort] = []
        for key, binds in wanted.items():
            for bind in binds:
                taken.append(self._bind(container, bind, key.partition("/")[2] or "tcp", taken))
        for address, port, protocol in taken:
            self._ports.setdefault((port, protocol), []).append(address)
        return ports

    def _bind(
        self, container: SimulatedContainer, bind: dict[str, str], protocol: str, taken: Iterable[PublishedPort]
    ) -> PublishedPort:
        bind["HostIp"] = bind.get("HostIp") or "0.0.0.0"  # noqa: S104  # nothing listens
        bind["HostPort"] = bind.get("HostPort") or str(self._ephemeral(protocol))
        requested = (bind["HostIp"], int(bind["HostPort"]), protocol)
        published = [(address, *requested[1:]) for address in self._ports.get(requested[1:], ())]
        if any(_ports_conflict(requested, other) for other in (*published, *taken)):
            raise EngineApiError(
                500,
                f"driver failed programming external connectivity on endpoint {container.name}: "
                f"Bind for {bind['HostIp']}:{bind['HostPort']} failed: port is already allocated",
            )
        return requested

    def _ephemeral(self, protocol: str) -> int:
        for _ in range(_FIRST_EPHEMERAL, _LAST_EPHEMERAL + 1):
            port = self._next
            self._next = port + 1 if port < _LAST_EPHEMERAL else _FIRST_EPHEMERAL
            if not self._ports.get((port, protocol)):
                return port
        raise conflict("all ports are allocated")


def _requested_address(container: SimulatedContainer, network: SimulatedNetwork) -> str:
    endpoints: Mapping[str, Any] = (container.body.get("NetworkingConfig") or {}).get("EndpointsConfig") or {}
    return str(((endpoints.get(network.name) or {}).get("IPAMConfig") or {}).get("IPv4Address") or "")


def _ports_conflict(one: PublishedPort, other: PublishedPort) -> bool:
    """Whether two published (address, port, protocol) cannot stand side by side."""
    return one[1:] == other[1:] and (one[0] == other[0] or bool({one[0], other[0]} & _ALL_ADDRESSES))


def _published_ports(ports: Mapping[str, Iterable[Mapping[str, str]]]) -> Iterator[PublishedPort]:
    for key, binds in ports.items():
        for bind in binds:
            yield bind["HostIp"], int(bind["HostPort"]), key.partition("/")[2] or "tcp"
