"""Deployment units: containers on one host that lend each other network and volumes by the names in their unit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from django.utils.dateparse import parse_datetime

from apps.containers.launch.config import LaunchConfig
from apps.containers.models import Container
from apps.drivers.base import EngineContainer
from apps.hosts.placement import PlacementRequirements

PEERS_LABEL = "io.corral.container.peers"
_RULES = "io.rancher.scheduler."


def peer_names(config: LaunchConfig) -> list[str]:
    """The members of its unit whose network or volumes a container takes; the network's first."""
    network = [config.network_launch_config] if config.network_launch_config else []
    return [*network, *config.data_volumes_from_launch_configs]


def unit_mates(row: Container) -> list[Container]:
    """The other containers of the row's unit that are not on their way out."""
    if not row.deployment_unit:
        return []
    rows = Container.all_objects.filter(
        environment=row.environment_id, deployment_unit=row.deployment_unit, removed=None
    )
    return list(rows.exclude(pk=row.pk).exclude(desired__in=("removed", "purged")))


def current_members(rows: Iterable[Container]) -> dict[str, Container]:
    """Who has each name in a unit: the one that is to run; what an upgrade keeps, stopped, is older."""
    return {each.launch_name: each for each in sorted(rows, key=lambda each: (each.desired == "running", each.pk))}


def peers_in_unit(row: Container) -> dict[str, Container | None]:
    """The members of its unit that the row refers to, None for one that is not there just now."""
    names = peer_names(row.config) if row.deployment_unit else []
    if not names:
        return {}
    members = current_members(unit_mates(row))
    return {name: members.get(name) for name in names}


def peers_label(peers: Mapping[str, Container | None]) -> dict[str, str]:
    """The label that remembers whose network and volumes a container was made with."""
    ids = ",".join(each.external_id[:12] for each in peers.values() if each is not None)
    return {PEERS_LABEL: ids} if ids else {}


def is_made_for_others(row: Container, seen: EngineContainer) -> bool:
    """Whether a member that it refers to was replaced since: an engine binds network and volumes when it creates."""
    peers = peers_in_unit(row) if not row.native else {}  # what was made elsewhere has no label that says
    if not peers or any(each is None or not each.external_id for each in peers.values()):
        return False
    return seen.labels.get(PEERS_LABEL, "") != peers_label(peers)[PEERS_LABEL]


def network_started_later(row: Container, seen: EngineContainer) -> bool:
    """Whether the container whose network it shares was started again since: it then has no network any more."""
    name = row.config.network_launch_config
    peer = peers_in_unit(row).get(name) if name else None
    if peer is None or peer.display_state != "running":
        return False
    lent, taken = parse_datetime(peer.engine_state.get("started_at") or ""), parse_datetime(seen.started_at or "")
    return lent is not None and taken is not None and lent > taken


def unready_network(row: Container) -> str:
    """The container whose network it is to share and that does not run yet; empty when nothing is waited for."""
    name = row.config.network_launch_config
    if not name or not row.deployment_unit:
        return ""
    peer = peers_in_unit(row).get(name)
    if peer is None:
        return name
    return "" if peer.display_state == "running" else peer.name


def unit_requirements(requirements: PlacementRequirements, mates: Sequence[Container]) -> PlacementRequirements:
    """What the whole unit needs of a host: once one member has a host, only that one will do."""
    placed = {each.name: each.host_id for each in mates if each.host_id is not None}
    if placed:  # rules about neighbours would find those of its own unit there
        labels = {name: value for name, value in requirements.labels.items() if not name.startswith(_RULES)}
        return replace(requirements, peer_hosts={**requirements.peer_hosts, **placed}, labels=labels)
    asked = next((each.requested_host_id for each in mates if each.requested_host_id), None)
    return replace(
        requirements,
        ports=requirements.ports | {(port[0], port[1], port[2]) for each in mates for port in each.fixed_ports},
        requested_host_id=asked if requirements.requested_host_id is None else requirements.requested_host_id,
        labels=_all_rules(requirements.labels, mates),
        memory=requirements.memory + sum(each.reserved_memory for each in mates),
        milli_cpu=requirements.milli_cpu + sum(each.reserved_milli_cpu for each in mates),
    )


def _all_rules(labels: Mapping[str, str], mates: Sequence[Container]) -> dict[str, str]:
    """The labels of the first member that is placed, with the scheduling rules of the others."""
    found = dict(labels)
    for each in mates:
        for name, value in each.config.labels.items():
            if name.startswith(_RULES) and found.get(name, value) != value:
                found[name] = f"{found[name]},{value}"
            elif name.startswith(_RULES):
                found[name] = value
    return found


def members_to_requeue(row: Container) -> Iterable[tuple[str, int]]:
    """The members of the row's unit that take its network or volumes: they look whether it is another one now."""
    if not row.deployment_unit:
        return []
    takers = [each for each in unit_mates(row) if row.launch_name in peer_names(each.config)]
    return [("container", each.pk) for each in takers]
