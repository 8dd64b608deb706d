"""Choosing a host: filters that say yes or why not, a ranking without chance, and a trace that explains the answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

AFFINITY = "io.rancher.scheduler.affinity:host_label"
MAX_NAMED_HOSTS = 5  # how many hosts a reason names before it counts the rest

HostPort = tuple[str, int, str]


@dataclass(frozen=True, slots=True)
class HostView:
    """A host as the scheduler sees it: `ports_used` are the (address, port, protocol) in use or reserved."""

    id: int
    name: str
    state: str = "active"
    labels: Mapping[str, str] = field(default_factory=dict)
    ports_used: frozenset[HostPort] = frozenset()
    containers: int = 0


@dataclass(frozen=True, slots=True)
class PlacementRequirements:
    """What a container needs; `peer_hosts` are the containers whose volumes or network it takes, by name.

    `avoid` and `spread` (containers of the same service by host) are only preferences."""

    ports: frozenset[HostPort] = frozenset()
    requested_host_id: int | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    avoid: frozenset[int] = frozenset()
    spread: Mapping[int, int] = field(default_factory=dict)
    peer_hosts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Placed:
    """The host chosen."""

    host_id: int
    trace: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Unplaced:
    """No host fits; `reasons` are for people, the most frequent first."""

    reasons: tuple[str, ...]
    trace: list[dict[str, Any]]


def choose_host(requirements: PlacementRequirements, hosts: Iterable[HostView]) -> Placed | Unplaced:
    """The best host that meets every condition: the same question always gets the same answer."""
    ordered = sorted(hosts, key=lambda host: host.id)
    refused = {host.id: [why for each in FILTERS if (why := each(requirements, host))] for host in ordered}
    ranked = sorted((host for host in ordered if not refused[host.id]), key=lambda host: rank(requirements, host))
    best = ranked[0].id if ranked else None
    trace = [_trace_entry(requirements, host, refused[host.id], chosen=host.id == best) for host in ordered]
    if best is not None:
        return Placed(best, trace)
    return Unplaced(tuple(_summarize(requirements, ordered, refused)), trace)


def rank(requirements: PlacementRequirements, host: HostView) -> tuple[int, ...]:
    """Lower is better: soft rules broken, to be avoided, of the same service, containers in all, id."""
    return (
        sum(1 for _ in _violated_rules(requirements, host, soft=True)),
        int(host.id in requirements.avoid),
        requirements.spread.get(host.id, 0),
        host.containers,
        host.id,
    )


def check_active(_demand: PlacementRequirements, host: HostView) -> str | None:
    """Only active hosts take containers."""
    return None if host.state in {"active", "updating-active"} else f"the host is {host.state}"


def check_requested_host(requirements: PlacementRequirements, host: HostView) -> str | None:
    """A requested host excludes all others."""
    return None if requirements.requested_host_id in {None, host.id} else "another host was asked for"


def check_peers(requirements: PlacementRequirements, host: HostView) -> str | None:
    """A container is on the host of those whose volumes or network it takes: engines lend these to nobody else."""
    elsewhere = sorted(name for name, host_id in requirements.peer_hosts.items() if host_id != host.id)
    return f"{', '.join(elsewhere)}, which it depends on, is on another host" if elsewhere else None


def check_free_ports(requirements: PlacementRequirements, host: HostView) -> str | None:
    """A port of a host is used once, on all its addresses or on one."""
    taken = sorted({(port, protocol) for _, port, protocol in _port_conflicts(requirements.ports, host.ports_used)})
    if not taken:
        return None
    return f"port {', '.join(f'{port}/{protocol}' for port, protocol in taken)} is in use"


def check_labels(requirements: PlacementRequirements, host: HostView) -> str | None:
    """The hard rules about labels of hosts."""
    return "; ".join(_violated_rules(requirements, host, soft=False)) or None


FILTERS: tuple[Callable[[PlacementRequirements, HostView], str | None], ...] = (
    check_active,
    check_requested_host,
    check_peers,
    check_free_ports,
    check_labels,
)


def _port_conflicts(wanted: Iterable[HostPort], used: frozenset[HostPort]) -> Iterator[HostPort]:
    everywhere = {"", "0.0.0.0", "::"}  # noqa: S104
    for address, port, protocol in wanted:
        for other, *rest in used:
            if rest == [port, protocol] and (address == other or address in everywhere or other in everywhere):
                yield address, port, protocol


def _violated_rules(requirements: PlacementRequirements, host: HostView, *, soft: bool) -> Iterator[str]:
    """The rules that the host breaks, in words."""
    kind = "_soft" if soft else ""
    for pair in _parse_rule(requirements.labels.get(f"{AFFINITY}{kind}", "")):
        if not _has_label(host, *pair):
            yield f"the label {_format_label(*pair)} is missing"
    for pair in _parse_rule(requirements.labels.get(f"{AFFINITY}{kind}_ne", "")):
        if _has_label(host, *pair):
            yield f"the label {_format_label(*pair)} is not wanted"


def _parse_rule(rule: str) -> Iterator[tuple[str, str | None]]:
    """Read `a=b,c=d`; a name alone asks for any value."""
    for part in rule.split(","):
        name, equals, value = part.strip().partition("=")
        if name:
            yield name.strip(), value.strip() if equals else None


def _has_label(host: HostView, name: str, value: str | None) -> bool:
    return name in host.labels and (value is None or str(host.labels[name]) == value)


def _format_label(name: str, value: str | None) -> str:
    return name if value is None else f"{name}={value}"


def _trace_entry(
    requirements: PlacementRequirements, host: HostView, reasons: Sequence[str], *, chosen: bool
) -> dict[str, Any]:
    verdict = "refused" if reasons else "chosen" if chosen else "possible"
    ranking = [] if reasons else list(rank(requirements, host))
    return {"host": host.id, "name": host.name, "verdict": verdict, "reasons": list(reasons), "rank": ranking}


def _summarize(
    requirements: PlacementRequirements, hosts: Sequence[HostView], refused: Mapping[int, Sequence[str]]
) -> Iterator[str]:
    if not hosts:
        yield "there is no host; add one"
        return
    candidates = [host for host in hosts if requirements.requested_host_id in {None, host.id}]
    if not candidates:
        yield "the requested host is gone"
        return
    by_reason: dict[str, list[str]] = {}
    for host in candidates:
        for reason in refused[host.id]:
            by_reason.setdefault(reason, []).append(host.name)
    for reason, names in sorted(by_reason.items(), key=lambda entry: (-len(entry[1]), entry[0])):
        more = f" and {len(names) - MAX_NAMED_HOSTS} more" if len(names) > MAX_NAMED_HOSTS else ""
        yield f"{reason} ({', '.join(names[:MAX_NAMED_HOSTS])}{more})"
