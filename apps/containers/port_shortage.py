"""Whether enough hosts have the fixed ports free that containers are to be published on: said before they are made."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from apps.containers.deployment_units import unit_requirements
from apps.containers.fleet import read_fleet, schedulable_hosts
from apps.containers.models import Container
from apps.containers.placement import requirements_of
from apps.hosts.affinity import HOST_LABEL, parse_rules
from apps.hosts.fleet import Fleet, HostPort
from apps.hosts.placement import PlacementRequirements, check_free_ports, find_refusals
from apps.hosts.placement_trace import name_hosts


@dataclass(frozen=True, slots=True)
class PortDemand:
    """`count` containers like `row` (not saved) that are to be published, each with its `mates` on the same host.

    The ports that each of them `has_now` are free for it.
    """

    row: Container
    count: int
    mates: Sequence[Container] = ()
    has_now: Collection[HostPort] = ()

    @property
    def requirements(self) -> PlacementRequirements:
        """What a host has to have for one of them, with all ports."""
        return unit_requirements(requirements_of(self.row, {}, {}), self.mates)


@dataclass(frozen=True, slots=True)
class _Candidates:
    """The hosts that could take a container but for its ports, and those of them where these are free."""

    eligible: frozenset[int]
    free: frozenset[int]
    taken: tuple[tuple[str, frozenset[int]], ...]


def port_shortage(
    row: Container, count: int, *, mates: Sequence[Container] = (), has_now: Collection[HostPort] = ()
) -> str:
    """What keeps some of `count` containers like the row (not saved) from finding a host, if that is a port of a host.

    Empty where none does. `mates` go with each of them. Containers with the row's spread key are those that are
    counted, or that it replaces: their ports are free for it, as are those that each of them `has_now`.
    """
    return port_shortages(row.environment_id, {"": PortDemand(row, count, mates, has_now)}).get("", "")


def port_shortages(environment_id: int, demands: Mapping[str, PortDemand]) -> dict[str, str]:
    """The same of several at once, which may be in each other's way too: what is short, by the names of the demands.

    As many queries as for one.
    """
    wanted = {name: each.requirements for name, each in demands.items() if each.count > 0}
    wanted = {name: each for name, each in wanted.items() if each.ports}
    if not wanted:
        return {}
    keys = {demands[name].row.spread_key for name in wanted} - {""}
    hosts = schedulable_hosts(environment_id)
    fleet = read_fleet(environment_id, hosts, {}, with_ports=True, with_neighbours=False, but_those_of=keys)
    found = {name: _candidates(fleet, each, demands[name].has_now) for name, each in wanted.items()}
    new = {name: each.ports - set(demands[name].has_now) for name, each in wanted.items()}
    short = {name: _shortage(fleet, each, demands[name].count) if new[name] else "" for name, each in found.items()}
    for port, text in _shared(wanted, found, {name: demands[name].count for name in wanted}):
        short |= {name: text for name, ports in new.items() if port in ports and not short[name]}
    return {name: text for name, text in short.items() if text}


def _candidates(fleet: Fleet, wanted: PlacementRequirements, has_now: Collection[HostPort]) -> _Candidates:
    rules = [rule for rule in parse_rules(wanted.labels) if rule.subject == HOST_LABEL]
    others = replace(wanted, ports=frozenset(), memory=0, milli_cpu=0)
    eligible = fleet.ids.difference(*(ids for _reason, ids in find_refusals(others, fleet, rules)))
    new = replace(wanted, ports=wanted.ports - set(has_now))
    taken = tuple((reason, ids & eligible) for reason, ids in check_free_ports(new, fleet) if ids & eligible)
    return _Candidates(eligible, eligible.difference(*(ids for _reason, ids in taken)), taken)


def _shortage(fleet: Fleet, found: _Candidates, count: int) -> str:
    free, eligible = found.free, found.eligible
    if not eligible or len(free) >= count:
        return ""
    reasons = [f"{reason} ({name_hosts(fleet, ids)})" for reason, ids in found.taken]
    if free:
        reasons.append(f"a port is published once on each host, and {len(free)} of {len(eligible)} can take one")
    said = "; ".join(reasons or ["a port is published once on each host"])
    return f"{count - len(free)} of {count} will find no host: {said}." if count > 1 else f"No host for it: {said}."


def _shared(
    wanted: Mapping[str, PlacementRequirements], found: Mapping[str, _Candidates], counts: Mapping[str, int]
) -> Iterator[tuple[HostPort, str]]:
    """The ports that several demands have, and that all the hosts together do not have often enough."""
    users: defaultdict[HostPort, list[str]] = defaultdict(list)
    for name, each in wanted.items():
        for port in each.ports:
            users[port].append(name)
    for port, names in sorted(users.items()):
        hosts = frozenset[int]().union(*(found[name].free for name in names))
        count = sum(counts[name] for name in names)
        if len(names) > 1 and hosts and len(hosts) < count:
            said = f"port {port[1]}/{port[2]} is published by {_listed(names)}, {count} containers in all"
            yield port, f"{count - len(hosts)} of {count} will find no host: {said}, and {len(hosts)} can take one."


def _listed(names: Sequence[str]) -> str:
    most = 5
    shown = names[:most] if len(names) <= most else [*names[:most], f"{len(names) - most} more"]
    return f"{', '.join(shown[:-1])} and {shown[-1]}"
