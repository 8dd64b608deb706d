"""Who may reach whom under a network policy: groups of containers, and who opens connections to whom. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from apps.network.policies import ALL, LINKED, STACK


@dataclass(frozen=True, slots=True)
class PolicyContainer:
    """A container with an address. `service` is the key of its service, `links` are other containers' keys."""

    key: int
    address: str
    service: int | None = None
    links: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class PolicyService:
    """A service: `links` are keys of services, for an alias what it stands for; `selected` containers of others."""

    key: int
    stack: int
    is_alias: bool = False
    links: Sequence[int] = ()
    selected: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class PolicyMembers:
    """The services and containers of one environment."""

    services: Sequence[PolicyService] = ()
    containers: Sequence[PolicyContainer] = ()


def reached_services(members: PolicyMembers, mode: str) -> dict[int, set[int]]:
    """The services to which the containers of each service may open connections; its own is one of them."""
    services = {service.key: service for service in members.services}
    in_stack: dict[int, set[int]] = defaultdict(set)
    for service in members.services:
        in_stack[service.stack].add(service.key)
    if mode == ALL:
        return {key: set(services) for key in services}
    return {
        service.key: {service.key, *_linked(service, services), *(in_stack[service.stack] if mode == STACK else ())}
        for service in members.services
    }


def _linked(service: PolicyService, services: Mapping[int, PolicyService]) -> set[int]:
    """What a service links to; through an alias all that it stands for."""
    seen, pending = set[int](), list(service.links)
    while pending:
        target = services.get(pending.pop())
        if target is not None and target.key not in seen:
            seen.add(target.key)
            pending += target.links if target.is_alias else ()
    return {key for key in seen if not services[key].is_alias}


_Owner = tuple[int, int, tuple[int, ...]]  # its service or, without one, itself; and the services that select it


def policy_part(members: PolicyMembers, mode: str) -> dict[str, Any]:
    """What agents read as `policy`: the group of each address, pairs of groups, and the groups of each stack.

    Containers of one service are one group, unless selectors of other services find some of them only. One without a
    service is a group by itself.
    """
    return _Groups(members).part(mode)


class _Groups:
    def __init__(self, members: PolicyMembers) -> None:
        self._members = members
        self._services = {service.key: service for service in members.services}
        selected_by: dict[int, list[int]] = defaultdict(list)
        for service in members.services:
            for container in service.selected:
                selected_by[container].append(service.key)
        owners = {each.key: _owner(each, selected_by[each.key], self._services) for each in members.containers}
        numbers = {owner: number for number, owner in enumerate(sorted(set(owners.values())), 1)}
        self._group_of = {key: numbers[owner] for key, owner in owners.items()}
        self._own: dict[int, set[int]] = defaultdict(set)  # the groups of a service's own containers
        self._reached: dict[int, set[int]] = defaultdict(set)  # and all that are reached by its name
        for (owner, _container, selecting), number in numbers.items():
            self._own[owner].add(number)
            for key in (owner, *selecting):
                self._reached[key].add(number)

    def part(self, mode: str) -> dict[str, Any]:
        """As the document has it."""
        stacks = self._stacks() if mode == STACK else {}
        pairs = {(first, second) for first, second in self._pairs(mode) if first != second}
        homes = {group: stack for stack, groups in stacks.items() for group in groups}
        pairs = {pair for pair in pairs if homes.get(pair[0], 0) != homes.get(pair[1], -1)}
        return {
            "mode": mode,
            "groups": {each.address: self._group_of[each.key] for each in self._members.containers},
            "allowed": sorted(map(list, pairs)),
            **({"stacks": [sorted(groups) for _stack, groups in sorted(stacks.items())]} if stacks else {}),
        }

    def _stacks(self) -> dict[int, set[int]]:
        found: dict[int, set[int]] = defaultdict(set)
        for key, service in self._services.items():
            found[service.stack] |= self._own.get(key, set())
        return {stack: groups for stack, groups in found.items() if len(groups) > 1}

    def _pairs(self, mode: str) -> Iterable[tuple[int, int]]:
        for key, targets in self._targets(mode).items():
            reached = {group for target in targets for group in self._reached.get(target, ())}
            yield from ((own, other) for own in self._own.get(key, ()) for other in reached)
        for container in self._members.containers:
            for target in container.links:
                if target in self._group_of:
                    yield self._group_of[container.key], self._group_of[target]

    def _targets(self, mode: str) -> dict[int, set[int]]:
        """What is linked, and of one's stack what lends containers of others: the rest is said by `stacks`."""
        lending: dict[int, set[int]] = defaultdict(set)
        for service in self._services.values():
            if mode == STACK and service.selected:
                lending[service.stack].add(service.key)
        linked = reached_services(self._members, LINKED)
        return {key: linked[key] | lending[service.stack] for key, service in self._services.items()}


def _owner(container: PolicyContainer, selected_by: Iterable[int], services: Mapping[int, PolicyService]) -> _Owner:
    others = tuple(sorted(key for key in selected_by if key != container.service))
    if container.service in services:
        return (container.service or 0, 0, others)
    return (0, container.key, others)
