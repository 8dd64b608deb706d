"""Addresses and published ports of a simulated engine."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from apps.drivers.base import EngineConflict, EngineError, EngineNotFound
from apps.drivers.simulated.container import SimulatedContainer
from apps.drivers.simulated.validation import ports_conflict

_FIRST_EPHEMERAL, _LAST_EPHEMERAL = 49153, 65535

PublishedPort = tuple[str, int, str]


@dataclass
class SimulatedNetwork:
    """A network of one /16 and the addresses in use on it."""

    name: str
    second_byte: int
    labels: Mapping[str, str] = field(default_factory=dict)
    id: str = field(default_factory=lambda: secrets.token_hex(32))
    used: dict[str, str] = field(default_factory=dict)
    last: int = 1

    def join(self, key: str) -> str:
        """An address for this container, not one that was free a moment ago."""
        for _ in range(65534):
            self.last = self.last % 65534 + 1
            address = f"172.{self.second_byte}.{self.last // 256}.{self.last % 256}"
            if self.last > 1 and address not in self.used:
                self.used[address] = key
                return address
        raise EngineError(f"no available IPv4 addresses on network {self.name}")

    def leave(self, address: str) -> None:
        """The address is free again."""
        self.used.pop(address, None)


class SimulatedNetworks:
    """All networks of an engine, and the ports that are published on its host."""

    def __init__(self) -> None:
        self.by_name = {
            "bridge": SimulatedNetwork("bridge", 17),
            "host": SimulatedNetwork("host", 0),
            "none": SimulatedNetwork("none", 0),
        }
        self._ports: dict[tuple[int, str], list[str]] = {}
        self._next = _FIRST_EPHEMERAL

    def ensure(self, name: str, labels: Mapping[str, str]) -> SimulatedNetwork:
        """The network of this name, made if absent."""
        if name not in self.by_name:
            taken = {network.second_byte for network in self.by_name.values()}
            free = next((byte for byte in range(18, 256) if byte not in taken), None)
            if free is None:
                raise EngineError("could not find an available, non-overlapping IPv4 address pool")
            self.by_name[name] = SimulatedNetwork(name, free, labels)
        return self.by_name[name]

    def get(self, name: str) -> SimulatedNetwork:
        """By name or id. Raises `EngineNotFound`."""
        found = self.by_name.get(name) or next((n for n in self.by_name.values() if n.id == name), None)
        if found is None:
            raise EngineNotFound(f"network {name} not found")
        return found

    def remove(self, name: str) -> None:
        """Raises `EngineConflict` while containers run on it."""
        network = self.get(name)
        if network.used:
            raise EngineConflict(
                f"error while removing network: network {network.name} id {network.id} has active endpoints"
            )
        del self.by_name[network.name]

    def names(self, container: SimulatedContainer) -> list[str]:
        """The networks it asks for."""
        endpoints = (container.body.get("NetworkingConfig") or {}).get("EndpointsConfig") or {}
        return [] if container.mode.startswith("container:") else list(dict.fromkeys((container.mode, *endpoints)))

    def join(self, container: SimulatedContainer) -> None:
        """Addresses and ports for a container that starts, all or none. Raises what the engine would."""
        networks = [self.get(name) for name in self.names(container)]
        published = {} if container.mode in {"host", "none"} else self._publish(container)
        container.addresses = {n.name: "" if n.name in {"host", "none"} else n.join(container.id) for n in networks}
        container.ports = published

    def leave(self, container: SimulatedContainer) -> None:
        """Take back what a container that ended had."""
        for name, address in container.addresses.items():
            if name in self.by_name:
                self.by_name[name].leave(address)
        for address, port, protocol in _published_ports(container.ports):
            self._ports.get((port, protocol), []).remove(address)
        container.addresses, container.ports = dict.fromkeys(container.addresses, ""), {}

    def _publish(self, container: SimulatedContainer) -> dict[str, list[dict[str, str]]]:
        bindings = {
            key: [dict(b) for b in binds or ()] for key, binds in (container.config.get("PortBindings") or {}).items()
        }
        ports = {key: bindings.get(key, []) for key in (*(container.body.get("ExposedPorts") or {}), *bindings)}
        taken: list[PublishedPort] = []
        for key, binds in bindings.items():
            protocol = key.partition("/")[2] or "tcp"
            for bind in binds:
                bind["HostIp"] = bind.get("HostIp") or "0.0.0.0"  # noqa: S104  # nothing listens
                bind["HostPort"] = bind.get("HostPort") or str(self._ephemeral(protocol))
                requested = (bind["HostIp"], int(bind["HostPort"]), protocol)
                if any(ports_conflict(requested, other) for other in (*self._published_at(requested), *taken)):
                    raise EngineConflict(
                        f"driver failed programming external connectivity on endpoint {container.name}: "
                        f"Bind for {bind['HostIp']}:{bind['HostPort']} failed: port is already allocated"
                    )
                taken.append(requested)
        for address, port, protocol in taken:
            self._ports.setdefault((port, protocol), []).append(address)
        return ports

    def _published_at(self, requested: PublishedPort) -> Iterator[PublishedPort]:
        _, port, protocol = requested
        return ((address, port, protocol) for address in self._ports.get((port, protocol), ()))

    def _ephemeral(self, protocol: str) -> int:
        for _ in range(_FIRST_EPHEMERAL, _LAST_EPHEMERAL + 1):
            port = self._next
            self._next = port + 1 if port < _LAST_EPHEMERAL else _FIRST_EPHEMERAL
            if not self._ports.get((port, protocol)):
                return port
        raise EngineConflict("all ports are allocated")


def _published_ports(ports: Mapping[str, Iterable[Mapping[str, str]]]) -> Iterator[PublishedPort]:
    for key, binds in ports.items():
        for bind in binds:
            yield bind["HostIp"], int(bind["HostPort"]), key.partition("/")[2] or "tcp"
