"""Reads of managed networks for the faces."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from apps.hosts.models import Host
from apps.network.environment_networks import network_of
from apps.network.models import ACTIVE, Address, EnvironmentNetwork, HostNetwork, HostNetworkFigures


@dataclass(frozen=True, slots=True)
class PeerView:
    """Another host as one host sees it; `handshake_age` is None without encryption, or before the first one."""

    host: Host
    reachable: bool
    handshake_age: int | None
    received: int | None
    sent: int | None


@dataclass(frozen=True, slots=True)
class HostNetworkView:
    """A host's part of the network, and how many of its containers have an address; `part` None before it was seen."""

    host: Host
    part: HostNetwork | None
    gateway: str
    addresses: int
    peers: tuple[PeerView, ...]
    figures: HostNetworkFigures | None = None

    @property
    def servers(self) -> list[tuple[str, str, str]]:
        """The servers that its agent has for containers: document, state and reason."""
        found = self.figures.servers if self.figures is not None else {}
        return [(name, each["state"], each["reason"]) for name, each in sorted(found.items())]

    @property
    def is_active(self) -> bool:
        """Whether its containers are reached from other hosts."""
        return self.part is not None and self.part.state == ACTIVE

    @property
    def reached(self) -> int:
        """How many other hosts it reaches."""
        return sum(peer.reachable for peer in self.peers)


@dataclass(frozen=True, slots=True)
class NetworkView:
    """The network of an environment with its hosts; `used` of `size` addresses are containers'."""

    network: EnvironmentNetwork
    hosts: tuple[HostNetworkView, ...]
    used: int
    size: int


def routes_of_hosts(environment_id: int) -> dict[str, list[str]]:
    """The networks that each host reaches already, as its agent reports them, by the host's name."""
    found = {}
    rows = Host.all_objects.filter(environment=environment_id, removed=None)
    for host in rows.only("name", "hostname", "url", "info"):
        routes = (host.info.get("networkInfo") or {}).get("routes")
        if isinstance(routes, list):
            found[str(host)] = [str(route) for route in routes]
    return found


def network_view(environment_id: int) -> NetworkView:
    """The network of an environment, in a constant number of queries."""
    network = network_of(environment_id)
    rows = (
        Host.objects.within([environment_id])
        .filter(removed=None)
        .select_related("network", "network_figures")
        .order_by("name", "pk")
    )
    hosts = list(rows.defer("tls"))
    taken = Address.objects.filter(environment=environment_id, holder__isnull=False)
    on_hosts = Counter(taken.values_list("host", flat=True))
    return NetworkView(
        network,
        tuple(_host_view(network, host, hosts, on_hosts[host.pk]) for host in hosts),
        on_hosts.total(),
        network.plan.size,
    )


def host_network_view(host: Host) -> HostNetworkView:
    """One host's part of the network of its environment."""
    return next(each for each in network_view(host.environment_id).hosts if each.host == host)


def _host_view(network: EnvironmentNetwork, host: Host, others: Iterable[Host], addresses: int) -> HostNetworkView:
    part: HostNetwork | None = getattr(host, "network", None)
    gateway = network.plan.gateway(part.number) if part is not None and part.number else ""
    reported = part.peers if part is not None else {}
    peers = (_peer_view(other, reported[str(other.uuid)]) for other in others if str(other.uuid) in reported)
    figures: HostNetworkFigures | None = getattr(host, "network_figures", None)
    return HostNetworkView(host, part, gateway, addresses, tuple(peers), figures)


def _peer_view(host: Host, reported: dict[str, int | bool]) -> PeerView:
    age, received, sent = (reported.get(name) for name in ("handshakeAgeSeconds", "received", "sent"))
    return PeerView(host, reported.get("reachable") is True, age, received, sent)
