"""Hosts that cannot take a container of a global service now: a port is in use there, or too much is reserved."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from apps.containers.deployment_units import unit_requirements
from apps.containers.fleet import read_fleet
from apps.containers.placement import requirements_of
from apps.containers.selectors import counts_by_host
from apps.containers.services import build_container
from apps.hosts.models import Host
from apps.hosts.placement import check_free_ports, check_reservations
from apps.stacks.models import Service
from apps.stacks.unit_steps import build_sidekick

MAX_NAMED = 3  # in a message


def full_hosts(row: Service, candidates: Collection[Host]) -> dict[int, str]:
    """Which of the hosts refuse a deployment unit of the service, by id, each with the reason.

    The scheduler's own conditions say so, so that a unit made for another host finds its place there. Without
    candidates, and for a service that takes no host port and reserves nothing, nothing is read.
    """
    primary = build_container(environment=row.environment, config=row.config, name=row.name, spread_key=str(row.uuid))
    mates = [build_sidekick(row, 0, "", each) for each in row.sidekicks]
    wanted = unit_requirements(requirements_of(primary, {}, {}), mates)
    if not candidates or not (wanted.ports or wanted.memory or wanted.milli_cpu):
        return {}
    hosts = {host.pk: host for host in candidates}
    counts = counts_by_host(row.environment_id)
    fleet = read_fleet(row.environment_id, hosts.values(), counts, with_ports=bool(wanted.ports), with_neighbours=False)
    found: dict[int, str] = {}
    for condition in (check_free_ports, check_reservations):
        for reason, ids in condition(wanted, fleet):
            for key in sorted(ids & hosts.keys()):
                found.setdefault(key, reason)
    return found


def describe_full_hosts(found: Mapping[int, str], hosts: Collection[Host]) -> str:
    """The hosts without a container and why, for a person; empty without any."""
    names = {host.pk: host.name for host in hosts}
    texts = [f"not on {names[key]}: {reason}" for key, reason in found.items()]
    more = f"; and {len(texts) - MAX_NAMED} more" if len(texts) > MAX_NAMED else ""
    text = "; ".join(texts[:MAX_NAMED]) + more
    return text[:1].upper() + text[1:]
