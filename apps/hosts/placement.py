"""Choosing a host: conditions that say why not, a ranking without chance, and a trace that explains the answer."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from apps.core.sizes import size_text
from apps.hosts.affinity import CONTAINER, CONTAINER_LABEL, AffinityRule, parse_rules
from apps.hosts.fleet import ACCEPTING, Fleet, HostPort, HostView
from apps.hosts.placement_trace import Ranking, Trace, name_hosts, trace_of

MAX_HOLDERS = 3  # of a port, named in a reason
MAX_REASONS = 10  # of a container without a host: its message names these

Refusal = tuple[str, frozenset[int]]  # a reason, and the hosts that it excludes


@dataclass(frozen=True, slots=True)
class PlacementRequirements:
    """What a container needs; `peer_hosts` are the containers whose volumes or network it takes, by name.

    `labels` are all its own, the affinity rules among them. `avoid` and `spread` (containers of the same service by
    host) are only preferences. `memory` (bytes) and `milli_cpu` are what it reserves.
    """

    ports: frozenset[HostPort] = frozenset()
    requested_host_id: int | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    avoid: frozenset[int] = frozenset()
    spread: Mapping[int, int] = field(default_factory=dict)
    peer_hosts: Mapping[str, int] = field(default_factory=dict)
    memory: int = 0
    milli_cpu: int = 0
    names: frozenset[str] = frozenset()  # its own name and uuid


@dataclass(frozen=True, slots=True)
class Placed:
    """The host chosen."""

    host_id: int
    trace: Trace


@dataclass(frozen=True, slots=True)
class Unplaced:
    """No host fits; `reasons` are for people, the most frequent first."""

    reasons: tuple[str, ...]
    trace: Trace


def choose_host(
    requirements: PlacementRequirements, hosts: Fleet | Iterable[HostView], *, explain: bool = True
) -> Placed | Unplaced:
    """The best host that meets every condition: the same question always gets the same answer.

    Without `explain` a placement has no trace, which takes most of the time.
    """
    fleet = hosts if isinstance(hosts, Fleet) else Fleet(hosts)
    rules = parse_rules(requirements.labels)
    waived = [rule for rule in rules if _is_first_of_its_own(rule, requirements, fleet)]
    refusals = list(find_refusals(requirements, fleet, [rule for rule in rules if rule not in waived]))
    possible = fleet.ids.difference(*(ids for _reason, ids in refusals))
    ranking = _ranking(requirements, fleet, rules, waived)
    best = min(possible, key=ranking.key) if possible else None
    if best is None:
        return Unplaced(
            tuple(_summarize(requirements, fleet, refusals))[:MAX_REASONS], trace_of(fleet, refusals, ranking, None)
        )
    return Placed(best, trace_of(fleet, refusals, ranking, best) if explain else [])


def rank(requirements: PlacementRequirements, host_id: int, fleet: Fleet) -> tuple[int, ...]:
    """Lower is better: soft rules broken, to be avoided, of the same service, containers in all, id."""
    return _ranking(requirements, fleet, parse_rules(requirements.labels), []).key(host_id)


def find_refusals(
    requirements: PlacementRequirements, fleet: Fleet, rules: Iterable[AffinityRule]
) -> Iterator[Refusal]:
    """Every reason why a host does not fit, with the hosts that it is true of."""
    for condition in CONDITIONS:
        yield from condition(requirements, fleet)
    for rule in rules:
        if not rule.soft and (against := fleet.hosts_against(rule)):
            yield rule.violation, against


def check_active(_requirements: PlacementRequirements, fleet: Fleet) -> Iterator[Refusal]:
    """Only active hosts take containers."""
    for state, ids in sorted(fleet.by_state.items()):
        if state not in ACCEPTING:
            yield f"the host is {state}", ids


def check_requested_host(requirements: PlacementRequirements, fleet: Fleet) -> Iterator[Refusal]:
    """A requested host excludes all others."""
    if requirements.requested_host_id is not None:
        yield "another host was asked for", fleet.ids - {requirements.requested_host_id}


def check_peers(requirements: PlacementRequirements, fleet: Fleet) -> Iterator[Refusal]:
    """A container is on the host of those whose volumes or network it takes: engines lend these to nobody else."""
    for name, host_id in sorted(requirements.peer_hosts.items()):
        yield f"{name}, which it depends on, is on another host", fleet.ids - {host_id}


def check_free_ports(requirements: PlacementRequirements, fleet: Fleet) -> Iterator[Refusal]:
    """A port of a host is used once, on all its addresses or on one."""
    taken: defaultdict[int, set[tuple[int, str]]] = defaultdict(set)
    for host_id, port in fleet.port_conflicts(requirements.ports):
        taken[host_id].add(port)
    by_ports: defaultdict[tuple[tuple[int, str], ...], set[int]] = defaultdict(set)
    for host_id, ports in taken.items():
        by_ports[tuple(sorted(ports))].add(host_id)
    for found, ids in sorted(by_ports.items()):
        named = ", ".join(f"{port}/{protocol}" for port, protocol in found)
        yield f"port {named} is in use{_by_holders(fleet, found, ids)}", frozenset(ids)


def _by_holders(fleet: Fleet, ports: Iterable[tuple[int, str]], ids: Iterable[int]) -> str:
    """Who has the ports, where that is known; the first few of many."""
    found = sorted({fleet.hosts[key].port_holders.get(port, "") for key in ids for port in ports} - {""})
    more = f" and {len(found) - MAX_HOLDERS} more" if len(found) > MAX_HOLDERS else ""
    return f" by {', '.join(found[:MAX_HOLDERS])}{more}" if found else ""


def check_reservations(requirements: PlacementRequirements, fleet: Fleet) -> Iterator[Refusal]:
    """What is reserved on a host does not exceed what it has; a host of which nobody knows that refuses nothing."""
    if requirements.memory and (full := _hosts_without(requirements.memory, fleet, 0)):
        yield f"it has less than {size_text(requirements.memory)} of memory that is not reserved", full
    if requirements.milli_cpu and (full := _hosts_without(requirements.milli_cpu, fleet, 1)):
        yield f"it has less than {requirements.milli_cpu / 1000:g} CPUs that are not reserved", full


def _hosts_without(wanted: int, fleet: Fleet, at: int) -> frozenset[int]:
    limits = ((host.id, (host.memory, host.milli_cpu)[at]) for host in fleet.hosts.values())
    return frozenset(key for key, limit in limits if limit is not None and fleet.reserved[key][at] + wanted > limit)


CONDITIONS: tuple[Callable[[PlacementRequirements, Fleet], Iterator[Refusal]], ...] = (
    check_active,
    check_requested_host,
    check_peers,
    check_free_ports,
    check_reservations,
)


def _is_first_of_its_own(rule: AffinityRule, requirements: PlacementRequirements, fleet: Fleet) -> bool:
    """Whether the rule wants the company of containers like this one, of which no host that takes any has one.

    The first of them may go anywhere, or none ever could; likewise the first that leaves a host for another.
    """
    if rule.soft or not rule.wanted:
        return False
    is_own = (rule.subject == CONTAINER_LABEL and rule.holds_for(requirements.labels)) or (
        rule.subject == CONTAINER and rule.name in requirements.names
    )
    return is_own and not fleet.hosts_with(rule) & fleet.accepting


def _ranking(
    requirements: PlacementRequirements, fleet: Fleet, rules: Iterable[AffinityRule], waived: Iterable[AffinityRule]
) -> Ranking:
    soft = [(rule.violation, fleet.hosts_against(rule)) for rule in rules if rule.soft]
    broken = Counter(key for _violation, ids in soft for key in ids)
    return Ranking(
        broken,
        requirements.avoid,
        requirements.spread,
        fleet.load,
        preferences=soft,
        waived=[f"the first one of its kind may go anywhere ({rule.label})" for rule in waived],
    )


def _summarize(requirements: PlacementRequirements, fleet: Fleet, refusals: Iterable[Refusal]) -> Iterator[str]:
    if not fleet.hosts:
        yield "there is no host; add one"
        return
    asked = requirements.requested_host_id
    candidates = fleet.ids if asked is None else fleet.ids & {asked}
    if not candidates:
        yield "the requested host is gone"
        return
    found = [(reason, ids & candidates) for reason, ids in refusals if ids & candidates]
    for reason, ids in sorted(found, key=lambda entry: (-len(entry[1]), entry[0])):
        yield f"{reason} ({name_hosts(fleet, ids)})"
