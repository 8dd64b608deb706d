"""What a network policy would cut off now: which running services could not reach which others any more."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from apps.stacks.models import Service
from apps.stacks.network_policy.reach import PolicyMembers, reached_services
from apps.stacks.network_policy.reading import read_members

MOST_NAMED = 100


@dataclass(frozen=True, slots=True)
class LostReach:
    """A running service that others could not reach any more: which still could, and how many could not.

    `cut` are the first of those that could not, `MOST_NAMED` at most.
    """

    service: Service
    kept: tuple[Service, ...]
    lost: int
    cut: tuple[Service, ...] = ()


@dataclass(frozen=True, slots=True)
class PolicyPreview:
    """What would become of an environment under a policy; `singles` are containers that belong to no service."""

    mode: str
    losing: tuple[LostReach, ...]
    singles: int


def preview_policies(environment_id: int, current: str, modes: Collection[str]) -> dict[str, PolicyPreview]:
    """What each of these policies would change, in a constant number of queries."""
    members = read_members([environment_id])[environment_id]
    running = {each.service for each in members.containers if each.service is not None}
    rows = Service.objects.within([environment_id]).filter(pk__in=running).select_related("stack")
    services = {row.pk: row for row in rows.only("name", "environment", "stack", "stack__name")}
    singles = sum(each.service not in services for each in members.containers)
    now = _reached_by(members, current)
    return {mode: PolicyPreview(mode, _losing(services, now, _reached_by(members, mode)), singles) for mode in modes}


def _reached_by(members: PolicyMembers, mode: str) -> dict[int, set[int]]:
    found: dict[int, set[int]] = {service.key: set() for service in members.services}
    for key, targets in reached_services(members, mode).items():
        for target in targets - {key}:
            found[target].add(key)
    return found


def _losing(
    services: Mapping[int, Service], now: Mapping[int, set[int]], then: Mapping[int, set[int]]
) -> tuple[LostReach, ...]:
    found = []
    for key, service in services.items():
        lost = (now.get(key, set()) - then.get(key, set())) & services.keys()
        if lost:
            kept = sorted((services[each] for each in then[key] & services.keys()), key=_full_name)
            cut = heapq.nsmallest(MOST_NAMED, (services[each] for each in lost), key=_full_name)
            found.append(LostReach(service, tuple(kept), len(lost), tuple(cut)))
    return tuple(sorted(found, key=lambda each: (len(each.kept) > 0, _full_name(each.service))))


def _full_name(service: Service) -> tuple[str, str]:
    return service.stack.name.lower(), service.name.lower()
