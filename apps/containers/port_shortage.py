"""Whether enough hosts have the fixed ports free that containers are to be published on: said before they are made."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from apps.containers.deployment_units import unit_requirements
from apps.containers.fleet import read_fleet, schedulable_hosts
from apps.containers.models import Container
from apps.containers.placement import requirements_of
from apps.hosts.affinity import HOST_LABEL, parse_rules
from apps.hosts.fleet import HostPort
from apps.hosts.placement import check_free_ports, find_refusals
from apps.hosts.placement_trace import name_hosts


def port_shortage(
    row: Container, count: int, *, mates: Sequence[Container] = (), has_now: Collection[HostPort] = ()
) -> str:
    """What keeps some of `count` containers like the row (not saved) from finding a host, if that is a port of a host.

    Empty where none does. `mates` go with each of them. Containers with the row's spread key are those that are
    counted, or that it replaces: their ports are free for it, as are those that each of them `has_now`.
    """
    wanted = unit_requirements(requirements_of(row, {}, {}), mates)
    wanted = replace(wanted, ports=wanted.ports - set(has_now))
    if not wanted.ports or count < 1:
        return ""
    hosts = schedulable_hosts(row.environment_id)
    fleet = read_fleet(
        row.environment_id, hosts, {}, with_ports=True, with_neighbours=False, but_those_of=row.spread_key
    )
    rules = [rule for rule in parse_rules(wanted.labels) if rule.subject == HOST_LABEL]
    others = replace(wanted, ports=frozenset(), memory=0, milli_cpu=0)
    eligible = fleet.ids.difference(*(ids for _reason, ids in find_refusals(others, fleet, rules)))
    taken = [(reason, ids & eligible) for reason, ids in check_free_ports(wanted, fleet) if ids & eligible]
    free = eligible.difference(*(ids for _reason, ids in taken))
    if not eligible or len(free) >= count:
        return ""
    reasons = [f"{reason} ({name_hosts(fleet, ids)})" for reason, ids in taken]
    if free:
        reasons.append(f"a port is published once on each host, and {len(free)} of {len(eligible)} can take one")
    found = "; ".join(reasons or ["a port is published once on each host"])
    return f"{count - len(free)} of {count} will find no host: {found}." if count > 1 else f"No host for it: {found}."
