"""The document `network`: everything that a host has to know to connect its containers with those of other hosts."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet

from apps.core.fixed_query import FixedQuery
from apps.hosts.documents.sources import DocumentSource
from apps.hosts.models import AGENT_SCHEME, Host
from apps.network.addressing import TUNNELS, WIREGUARD, mac_of, tunnel_address
from apps.network.engine_network import BRIDGE, NETWORK
from apps.network.figures import take_traffic
from apps.network.hosts import switch_off, take_report
from apps.network.models import OFF, Address, EnvironmentNetwork, HostNetwork
from apps.network.policies import ALL, policies
from apps.network.reports import HostReport

_NAMING = ("uuid", "name", "hostname", "url")  # of hosts
VXLAN_PORT, UDP_PORT, WIREGUARD_PORT = "corral-vx", 4789, 51820


@dataclass(frozen=True, slots=True)
class _Shared:
    """What the documents of an environment's hosts have in common, as of one revision of its network."""

    as_of: str
    hosts: list[dict[str, Any]]
    containers: list[dict[str, Any]]


class NetworkDocumentSource(DocumentSource):
    """One host's view of its environment's network."""

    name = "network"

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._shared: dict[int, _Shared] = {}

    def versions(self) -> Mapping[int, str]:
        """The revision of each host's network, in one query, and what its policy says, in a few more."""
        rows = _REVISIONS.rows()
        revisions = {environment: revision for _host, environment, _number, _address, revision, _mode in rows}
        modes = {environment: mode for _host, environment, *_, mode in rows if mode not in {ALL, None}}
        digests = policies.digests(modes, revisions)
        return {
            host: f"{number} {address} {revision} {digests.get(environment, ALL)}"
            for host, environment, number, address, revision, _mode in rows
        }

    def build(self, host_id: int) -> dict[str, Any]:
        """The document, in two queries, and another two for the first host of an environment after a change.

        Empty for a host that has just left, which its agent refuses.
        """
        rows = _members().select_related("host", "environment")
        row = rows.only("number", "address", "host__uuid", "environment__uuid").filter(pk=host_id).first()
        if row is None:
            return {}
        network = EnvironmentNetwork.objects.get(environment=row.environment_id)
        shared = self._shared_of(network, row)
        return {
            "environment": str(row.environment.uuid),
            "subnet": network.subnet,
            "gateway": network.plan.gateway(row.number or 0),
            "network": NETWORK,
            "bridge": BRIDGE,
            "port": VXLAN_PORT,
            "vni": network.vni,
            "udpPort": UDP_PORT,
            "mtu": network.mtu,
            "encryption": network.encryption,
            "address": row.address,
            "wireguard": _wireguard(network, row),
            "peers": _peers(shared, row),
            "containers": shared.containers,
            "policy": policies.of(network.pk, network.policy),
        }

    def _shared_of(self, network: EnvironmentNetwork, row: HostNetwork) -> _Shared:
        """Read under the lock: all hosts of an environment ask at once, and each would read the same."""
        as_of = f"{row.environment.uuid} {network.revision}"
        with self._lock:
            known = self._shared.get(network.pk)
            if known is None or known.as_of != as_of:
                known = _Shared(as_of, _hosts(network), _containers(network))
                self._shared[network.pk] = known
            return known

    def on_status(self, host_id: int, status: Mapping[str, Any]) -> None:
        """Keep what the host reports."""
        report = HostReport.parse(status)
        host = Host.all_objects.filter(pk=host_id, removed=None).first()
        if report is not None and host is not None:
            take_report(host, report)
            take_traffic(host, report.traffic)

    def on_unsupported(self, host_id: int, reason: str) -> None:
        """Its containers stay on the local bridge."""
        host = Host.all_objects.filter(pk=host_id, removed=None).first()
        if host is not None:
            switch_off(host, reason)


def host_revisions() -> dict[int, tuple[int, str]]:
    """Of each host that gets the document its environment, and what changes with its peers, in one query."""
    return {
        host: (key, f"{number} {address} {revision}")
        for host, key, number, address, revision, _policy in _REVISIONS.rows()
    }


def _members() -> QuerySet[HostNetwork]:
    """The hosts that take documents, and have a number, and an address at which others could reach them."""
    rows: QuerySet[HostNetwork] = HostNetwork.objects.filter(
        Q(host__url__startswith=AGENT_SCHEME) | Q(host__system_container=True),
        number__isnull=False,
        host__removed=None,
    )
    return rows.exclude(address="")


_REVISIONS = FixedQuery(
    lambda _keys: _members().values_list(
        *("host_id", "environment_id", "number", "address", "environment__network__revision"),
        "environment__network__policy",
    )
)


def _wireguard(network: EnvironmentNetwork, row: HostNetwork) -> dict[str, Any] | None:
    if network.encryption != WIREGUARD or row.number is None:
        return None
    return {"port": WIREGUARD_PORT, "address": tunnel_address(row.number)}


def _hosts(network: EnvironmentNetwork) -> list[dict[str, Any]]:
    """The hosts that can be reached, as others see them; with encryption those whose key is known."""
    members = _members().filter(environment=network.pk).exclude(state=OFF)
    # What each sees of all others is most of a row: of two hundred hosts forty thousand such reports.
    members = members.only("number", "address", "public_key", *(f"host__{column}" for column in _NAMING))
    if network.encryption == WIREGUARD:
        members = members.exclude(public_key="")
    found: dict[str, HostNetwork] = {}
    for each in members.select_related("host").order_by("pk"):
        found.setdefault(each.address, each)  # agents refuse an address that two hosts claim
    return [
        {
            "host": str(each.host.uuid),
            "name": str(each.host),
            "address": each.address,
            "publicKey": each.public_key,
            "tunnelAddress": str(TUNNELS.network_address + (each.number or 0)),
            "gateway": network.plan.gateway(each.number or 0),
        }
        for each in found.values()
    ]


def _peers(shared: _Shared, row: HostNetwork) -> list[dict[str, Any]]:
    """The other hosts; not one that claims this host's address."""
    own = str(row.host.uuid)
    return [each for each in shared.hosts if each["host"] != own and each["address"] != row.address]


def _containers(network: EnvironmentNetwork) -> list[dict[str, Any]]:
    """Addresses and MACs alone: a thousand containers are to be 60 kB, and agents ask for nothing more."""
    rows = Address.objects.filter(environment=network.pk, holder__isnull=False, host__isnull=False)
    return [{"address": address, "mac": mac_of(address)} for address in rows.values_list("address", flat=True)]
