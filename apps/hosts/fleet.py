"""The hosts that the scheduler chooses from, indexed: each condition is one lookup, however many hosts there are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from apps.hosts.affinity import CONTAINER, HOST_LABEL, AffinityRule

HostPort = tuple[str, int, str]
ACCEPTING = frozenset({"active", "updating-active"})
_EVERYWHERE = frozenset({"", "0.0.0.0", "::"})  # noqa: S104


@dataclass(frozen=True, slots=True)
class HostView:
    """A host as the scheduler sees it: `ports_used` are the (address, port, protocol) in use or reserved.

    `port_holders` names who has a port and protocol, where that is known.

    `memory` (bytes) and `milli_cpu` are what may be reserved of it, None where nobody knows; the `reserved_` ones are
    what its containers have reserved.
    """

    id: int
    name: str
    state: str = "active"
    labels: Mapping[str, str] = field(default_factory=dict)
    ports_used: frozenset[HostPort] = frozenset()
    containers: int = 0
    memory: int | None = None
    milli_cpu: int | None = None
    reserved_memory: int = 0
    reserved_milli_cpu: int = 0
    port_holders: Mapping[tuple[int, str], str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A container that has a host, as rules about other containers see it."""

    host_id: int
    name: str
    uuid: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)


Holders = defaultdict[int, int]  # how many there are, by host


class Fleet:
    """The hosts of an environment and what is on them; `place` adds a container, so that what would be can be tried."""

    def __init__(self, hosts: Iterable[HostView], neighbours: Iterable[Neighbour] = ()) -> None:
        self.hosts = {host.id: host for host in sorted(hosts, key=lambda host: host.id)}
        self.ids = frozenset(self.hosts)
        self.accepting = frozenset(host.id for host in self.hosts.values() if host.state in ACCEPTING)
        self.load = {host.id: host.containers for host in self.hosts.values()}
        self.reserved = {host.id: (host.reserved_memory, host.reserved_milli_cpu) for host in self.hosts.values()}
        self._ports: dict[tuple[int, str], dict[int, set[str]]] = {}
        self._names: defaultdict[str, Holders] = defaultdict(lambda: defaultdict(int))
        self._labels: defaultdict[tuple[str, str | None], Holders] = defaultdict(lambda: defaultdict(int))
        for host in self.hosts.values():
            self._take_ports(host.id, host.ports_used)
        for neighbour in neighbours:
            self.add_neighbour(neighbour)

    def add_neighbour(self, container: Neighbour) -> None:
        """Let rules about other containers know of one."""
        for name in {container.name, container.uuid} - {""}:
            self._names[name][container.host_id] += 1
        for label, value in container.labels.items():
            self._labels[label, str(value)][container.host_id] += 1
            self._labels[label, None][container.host_id] += 1

    def place(
        self, container: Neighbour, *, ports: Iterable[HostPort] = (), memory: int = 0, milli_cpu: int = 0
    ) -> None:
        """Put a container on its host, with the ports and the reservations that it takes there."""
        host_id = container.host_id
        self.load[host_id] += 1
        self._take_ports(host_id, ports)
        before = self.reserved[host_id]
        self.reserved[host_id] = (before[0] + memory, before[1] + milli_cpu)
        self.add_neighbour(container)

    def hosts_with(self, rule: AffinityRule) -> frozenset[int]:
        """The hosts that have what the rule names, wanted or not."""
        if rule.subject == HOST_LABEL:
            return frozenset(self._host_labels.get((rule.name, rule.value), ()))
        holders = self._names.get(rule.name) if rule.subject == CONTAINER else self._labels.get((rule.name, rule.value))
        return self.ids.intersection(holders or ())

    def hosts_against(self, rule: AffinityRule) -> frozenset[int]:
        """The hosts that break the rule."""
        return self.ids - self.hosts_with(rule) if rule.wanted else self.hosts_with(rule)

    def port_conflicts(self, wanted: Iterable[HostPort]) -> Iterator[tuple[int, tuple[int, str]]]:
        """The hosts on which a port is in use already, each with that port; on all addresses or on one."""
        for address, port, protocol in wanted:
            for host_id, addresses in self._ports.get((port, protocol), {}).items():
                if address in addresses or address in _EVERYWHERE or addresses & _EVERYWHERE:
                    yield host_id, (port, protocol)

    @cached_property
    def by_state(self) -> dict[str, frozenset[int]]:
        """The hosts of each state."""
        found: defaultdict[str, set[int]] = defaultdict(set)
        for host in self.hosts.values():
            found[host.state].add(host.id)
        return {state: frozenset(ids) for state, ids in found.items()}

    @cached_property
    def _host_labels(self) -> dict[tuple[str, str | None], set[int]]:
        found: defaultdict[tuple[str, str | None], set[int]] = defaultdict(set)
        for host in self.hosts.values():
            for label, value in host.labels.items():
                found[label, str(value)].add(host.id)
                found[label, None].add(host.id)
        return found

    def _take_ports(self, host_id: int, ports: Iterable[HostPort]) -> None:
        for address, port, protocol in ports:
            self._ports.setdefault((port, protocol), {}).setdefault(host_id, set()).add(address)
