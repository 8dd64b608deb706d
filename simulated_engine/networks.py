"""Networks, addresses and published ports of a simulated engine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from simulated_engine.container import SimulatedContainer
from simulated_engine.errors import EngineApiError, conflict, not_found
from simulated_engine.events import EventBus
from simulated_engine.runtime import Runtime
from simulated_engine.validation import PublishedPort, ports_conflict

_FIRST_EPHEMERAL, _LAST_EPHEMERAL = 49153, 65535  # the range from which Docker chooses host ports
_LAST_SUFFIX = 65534
# Second byte of the subnet (0: no addresses) and driver of the networks that every engine has.
_PREDEFINED = {"bridge": (17, "bridge"), "host": (0, "host"), "none": (0, "null")}
_WITHOUT_ADDRESSES = {"host", "none"}


@dataclass(slots=True)
class SimulatedNetwork:
    """A network and the addresses in use on it, by container.

    It is a /16 (172.`second_byte`.0.0), or the subnet that `pool` (the `IPAM.Config` of its body) asks for.
    """

    name: str
    second_byte: int
    id: str
    created_at: int
    labels: Mapping[str, str] = field(default_factory=dict)
    driver: str = "bridge"
    used: dict[str, str] = field(default_factory=dict)
    last: int = 1
    pool: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def subnet(self) -> str:
        """Its addresses; empty for a network without any."""
        return self.pool.get("Subnet") or (f"172.{self.second_byte}.0.0/16" if self.second_byte else "")

    def join(self, key: str, requested: str = "") -> str:
        """An address for this container: the requested one, or the next, so that none is given again at once."""
        if requested:
            self._check_requested(requested)
            self.used[requested] = key
            return requested
        if self.pool.get("IPRange") == f"{self.pool.get('Gateway')}/32":  # which leaves no address to choose
            raise EngineApiError(500, f"no available IPv4 addresses on network {self.name}")
        for _ in range(_LAST_SUFFIX):
            self.last = self.last % _LAST_SUFFIX + 1
            address = f"172.{self.second_byte}.{self.last // 256}.{self.last % 256}"
            if self.last > 1 and address not in self.used:  # .0.1 is the gateway's
                self.used[address] = key
                return address
        raise EngineApiError(500, f"no available IPv4 addresses on network {self.name}")

    def _check_requested(self, requested: str) -> None:
        if requested in self.used or requested == self.pool.get("Gateway"):
            raise EngineApiError(403, "Address already in use")
        if self.pool and IPv4Address(requested) not in IPv4Network(self.subnet):
            raise EngineApiError(400, "invalid address: it does not belong to any of this network's subnets")


class SimulatedNetworks:
    """All networks of an engine, and the ports that are published on its host."""

    def __init__(self, runtime: Runtime, events: EventBus) -> None:
        self._runtime, self._events = runtime, events
        self.by_name = {name: self._create(name, byte, {}, driver) for name, (byte, driver) in _PREDEFINED.items()}
        self._ports: dict[tuple[int, str], list[str]] = {}  # (port, protocol): the addresses that it is bound to
        self._next = _FIRST_EPHEMERAL

    def _create(self, name: str, second_byte: int, labels: Mapping[str, str], driver: str) -> SimulatedNetwork:
        return SimulatedNetwork(name, second_byte, self._runtime.random_hex(32), self._runtime.now(), labels, driver)

    def ensure(
        self, name: str, labels: Mapping[str, str], pool: Mapping[str, str], options: Mapping[str, str]
    ) -> SimulatedNetwork:
        """The network of this name; one with another pool or other options is made anew. Raises `EngineApiError`."""
        found = self.by_name.get(name)
        is_other = found is not None and bool(pool) and found.pool != pool
        if found is not None and (is_other or (not found.used and options and found.options != options)):
            self.remove(name)
            found = None
        return found or self.make(name, labels, pool=pool, options=options)

    def make(
        self,
        name: str,
        labels: Mapping[str, str],
        driver: str = "bridge",
        *,
        pool: Mapping[str, str] | None = None,
        options: Mapping[str, str] | None = None,
    ) -> SimulatedNetwork:
        """A new network. Raises `EngineApiError` when the name is in use."""
        if name in self.by_name:
            raise conflict(f"network with name {name} already exists")
        taken = {network.second_byte for network in self.by_name.values()}
        free = next((byte for byte in range(18, 256) if byte not in taken), None)
        if free is None:
            raise EngineApiError(500, "could not find an available, non-overlapping IPv4 address pool")
        network = self.by_name[name] = self._create(name, free, labels, driver)
        network.pool, network.options = dict(pool or {}), dict(options or {})
        self._publish_event("create", network)
        return network

    def _publish_event(self, action: str, network: SimulatedNetwork) -> None:
        self._events.publish("network", action, network.id, {"name": network.name, "type": network.driver})

    def get(self, name: str) -> SimulatedNetwork:
        """By name or id. Raises `EngineApiError`."""
        found = self.by_name.get(name) or next((n for n in self.by_name.values() if n.id == name), None)
        if found is None:
            raise not_found(f"network {name} not found")
        return found

    def discard(self, name: str) -> None:
        """Remove it if it is there. Raises `EngineApiError`."""
        if name in self.by_name:
            self.remove(name)

    def remove(self, name: str) -> None:
        """Remove it. Raises `EngineApiError` while containers run on it, and for the engine's own."""
        network = self.get(name)
        if network.name in _PREDEFINED:
            raise EngineApiError(403, f"{network.name} is a pre-defined network and cannot be removed")
        if network.used:
            raise EngineApiError(
                403, f"error while removing network: network {network.name} id {network.id} has active endpoints"
            )
        del self.by_name[network.name]
        self._publish_event("destroy", network)

    def join(self, container: SimulatedContainer) -> None:
        """Addresses and ports for a container that starts, all or none. Raises what the engine would."""
        # Its addresses name its networks, once it was connected to or disconnected from some; at first its body does.
        networks = [self.get(name) for name in container.addresses or requested_networks(container)]
        container.addresses = dict.fromkeys((network.name for network in networks), "")
        try:
            container.ports = {} if container.mode in _WITHOUT_ADDRESSES else self._publish_ports(container)
            for network in networks:
                if network.name not in _WITHOUT_ADDRESSES:
                    requested = _requested_address(container, network)
                    container.addresses[network.name] = network.join(container.id, requested)
        except EngineApiError:
            self.leave(container)
            raise

    def leave(self, container: SimulatedContainer) -> None:
        """Take back the addresses and ports of a container that ended."""
        for name, address in container.addresses.items():
            if name in self.by_name:
                self.by_name[name].used.pop(address, None)
        for address, port, protocol in _published_ports(container.ports):
            self._ports.get((port, protocol), []).remove(address)
        container.addresses, container.ports = dict.fromkeys(container.addresses, ""), {}

    def connect(self, name: str, container: SimulatedContainer, aliases: Iterable[str] = ()) -> None:
        """Connect a container, under these names too. Raises `EngineApiError`."""
        network = self.get(name)
        if network.name in container.addresses:
            raise EngineApiError(403, f"endpoint with name {container.name} already exists in network {network.name}")
        container.addresses[network.name] = network.join(container.id) if container.running else ""
        container.aliases[network.name] = list(aliases)
        container.revision += 1

    def disconnect(self, name: str, container: SimulatedContainer) -> None:
        """Disconnect a container. Raises `EngineApiError`."""
        network = self.get(name)
        if network.name not in container.addresses:
            raise EngineApiError(500, f"container {container.id} is not connected to the network {network.name}")
        network.used.pop(container.addresses.pop(network.name), None)
        container.revision += 1

    def _publish_ports(self, container: SimulatedContainer) -> dict[str, list[dict[str, str]]]:
        requested = container.config.get("PortBindings") or {}
        # Copied: the chosen host ports are written into the bindings, and the body must stay as it was asked for.
        bindings = {key: [dict(bind) for bind in binds or ()] for key, binds in requested.items()}
        ports = {key: bindings.get(key, []) for key in (*(container.body.get("ExposedPorts") or {}), *bindings)}
        taken: list[PublishedPort] = []
        for key, binds in bindings.items():
            for bind in binds:
                taken.append(self._bind(container, bind, key.partition("/")[2] or "tcp", taken))
        for address, port, protocol in taken:
            self._ports.setdefault((port, protocol), []).append(address)
        return ports

    def _bind(
        self, container: SimulatedContainer, bind: dict[str, str], protocol: str, taken: Iterable[PublishedPort]
    ) -> PublishedPort:
        bind["HostIp"] = bind.get("HostIp") or "0.0.0.0"  # noqa: S104  # nothing listens
        bind["HostPort"] = self._choose_port(bind.get("HostPort") or "", protocol)
        requested = (bind["HostIp"], int(bind["HostPort"]), protocol)
        published = [(address, *requested[1:]) for address in self._ports.get(requested[1:], ())]
        if any(ports_conflict(requested, other) for other in (*published, *taken)):
            raise EngineApiError(
                500,
                f"driver failed programming external connectivity on endpoint {container.name}: "
                f"Bind for {bind['HostIp']}:{bind['HostPort']} failed: port is already allocated",
            )
        return requested

    def _choose_port(self, requested: str, protocol: str) -> str:
        """The port itself, a free one of a range such as `8080-8083`, or any."""
        first, dash, last = requested.partition("-")
        if not dash:
            return requested or str(self._ephemeral_port(protocol))
        free = (port for port in range(int(first), int(last) + 1) if not self._ports.get((port, protocol)))
        return str(next(free, first))

    def _ephemeral_port(self, protocol: str) -> int:
        for _ in range(_FIRST_EPHEMERAL, _LAST_EPHEMERAL + 1):
            port = self._next
            self._next = port + 1 if port < _LAST_EPHEMERAL else _FIRST_EPHEMERAL
            if not self._ports.get((port, protocol)):
                return port
        raise conflict("all ports are allocated")


def endpoints(container: SimulatedContainer) -> Mapping[str, Any]:
    """How a container is to be connected to networks, by their names."""
    return (container.body.get("NetworkingConfig") or {}).get("EndpointsConfig") or {}


def requested_networks(container: SimulatedContainer) -> list[str]:
    """The networks that a container's body names."""
    if container.mode.startswith("container:"):
        return []
    return list(dict.fromkeys((container.mode, *endpoints(container))))


def _requested_address(container: SimulatedContainer, network: SimulatedNetwork) -> str:
    endpoint = endpoints(container).get(network.name) or {}
    return str((endpoint.get("IPAMConfig") or {}).get("IPv4Address") or "")


def _published_ports(ports: Mapping[str, Iterable[Mapping[str, str]]]) -> Iterator[PublishedPort]:
    for key, binds in ports.items():
        for bind in binds:
            yield bind["HostIp"], int(bind["HostPort"]), key.partition("/")[2] or "tcp"
