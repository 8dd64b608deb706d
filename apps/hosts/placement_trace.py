"""Why a container is where it is: the hosts by what was decided about them, in words, and short for any fleet."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from apps.hosts.fleet import Fleet

Trace = list[dict[str, Any]]

MAX_NAMED_HOSTS = 5  # how many hosts a reason names before it counts the rest
MAX_NAMES = 20  # how many hosts of a group the trace names: it is stored with every container
MAX_GROUPS = 20
MAX_REASONS_OF_HOST = 6

_LATER = (
    "it keeps fewer of the preferences",
    "the container leaves it, or left it",
    "it has more containers of the same service",
    "it has more containers",
    "it is as good, and was added later",
)
_CHOSEN = (
    "it keeps the most preferences",
    "the container was not there before",
    "it has the fewest containers of the same service",
    "it has the fewest containers",
    "it is as good as the others, and was added first",
)


@dataclass(frozen=True, slots=True)
class Ranking:
    """The preferences among the hosts that fit: by host, how many soft rules are broken, of the same service, in all.

    `preferences` are the soft rules in words with the hosts that break them, `waived` the rules that were left out.
    """

    broken: Mapping[int, int]
    avoid: frozenset[int]
    spread: Mapping[int, int]
    load: Mapping[int, int]
    preferences: Sequence[tuple[str, frozenset[int]]] = ()
    waived: Sequence[str] = field(default=())

    def key(self, host_id: int) -> tuple[int, ...]:
        """Lower is better."""
        return (
            self.broken.get(host_id, 0),
            int(host_id in self.avoid),
            self.spread.get(host_id, 0),
            self.load[host_id],
            host_id,
        )


def trace_of(fleet: Fleet, refusals: Iterable[tuple[str, frozenset[int]]], ranking: Ranking, best: int | None) -> Trace:
    """One entry for all the hosts of which the same is true: verdict, reasons, names, and how many they are."""
    reasons: dict[int, list[str]] = {}
    for reason, ids in refusals:
        for key in ids:
            reasons.setdefault(key, []).append(reason)
    groups: defaultdict[tuple[str, tuple[str, ...]], list[int]] = defaultdict(list)
    possible = [key for key in fleet.hosts if key not in reasons]
    for key, why in reasons.items():
        groups["refused", tuple(why[:MAX_REASONS_OF_HOST])].append(key)
    if best is not None:
        for key in possible:
            if key != best:
                groups["possible", _why_later(ranking, key, best)].append(key)
        groups["chosen", tuple(_why_chosen(ranking, possible, best))] = [best]
    return _entries(fleet, groups)


def _entries(fleet: Fleet, groups: Mapping[tuple[str, tuple[str, ...]], list[int]]) -> Trace:
    order = {"chosen": 0, "possible": 1, "refused": 2}
    ranked = sorted(groups.items(), key=lambda group: (order[group[0][0]], -len(group[1]), group[0]))
    found = [_entry(fleet, verdict, reasons, ids) for (verdict, reasons), ids in ranked[:MAX_GROUPS]]
    rest = [key for _group, ids in ranked[MAX_GROUPS:] for key in ids]
    if rest:
        found.append(_entry(fleet, "refused", ("for other reasons",), rest))
    return found


def _entry(fleet: Fleet, verdict: str, reasons: Sequence[str], ids: Iterable[int]) -> dict[str, Any]:
    keys = sorted(ids)
    return {
        "verdict": verdict,
        "reasons": list(reasons),
        "hosts": [fleet.hosts[key].name for key in keys[:MAX_NAMES]],
        "count": len(keys),
    }


def _decided_by(one: tuple[int, ...], other: tuple[int, ...]) -> int:
    return next(at for at, (mine, its) in enumerate(zip(one, other, strict=True)) if mine != its)


def _why_later(ranking: Ranking, key: int, best: int) -> tuple[str, ...]:
    """What the chosen host has over this one; of preferences, those that this one does not keep."""
    at = _decided_by(ranking.key(key), ranking.key(best))
    if at == 0:
        return (_LATER[0], *(words for words, ids in ranking.preferences if key in ids and best not in ids))
    return (_LATER[at],)


def _why_chosen(ranking: Ranking, possible: Sequence[int], best: int) -> list[str]:
    """What the chosen host has over the next best, and which preferences were dropped for it."""
    others = [ranking.key(key) for key in possible if key != best]
    why = _CHOSEN[_decided_by(ranking.key(best), min(others))] if others else "it is the only host that fits"
    dropped = [f"a preference was dropped: {words}" for words, ids in ranking.preferences if best in ids]
    return [why, *ranking.waived, *dropped]


def name_hosts(fleet: Fleet, ids: Iterable[int]) -> str:
    """The first few names, and how many more there are."""
    names = [fleet.hosts[key].name for key in sorted(ids)]
    more = f" and {len(names) - MAX_NAMED_HOSTS} more" if len(names) > MAX_NAMED_HOSTS else ""
    return f"{', '.join(names[:MAX_NAMED_HOSTS])}{more}"
