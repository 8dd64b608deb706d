"""What a global service must do next, one container for each host: a pure function from hosts and slots to a plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from apps.stacks.plan import (
    REMOVED_STATES,
    ServicePlan,
    SlotView,
    containers_of_slots,
    free_numbers,
    numbers_of,
    plan_service,
)


@dataclass(frozen=True, slots=True)
class GlobalHosts:
    """The hosts as a global service sees them, by id.

    `eligible` ones are to have a container; `kept` ones keep the container that they have: these, and those that take
    no new ones or do not answer.
    """

    eligible: frozenset[int] = frozenset()
    kept: frozenset[int] = frozenset()


def plan_global(
    desired: str, hosts: GlobalHosts, slots: Sequence[SlotView], places: Mapping[int, int | None]
) -> tuple[ServicePlan, dict[int, int]]:
    """The steps towards one container on each eligible host, and the host of each new slot by its number.

    `places` are the hosts of the slots. A container never moves: one whose host leaves is removed, and one whose host
    does not answer waits for it.
    """
    stays = [replace(slot, must_leave=False, successor_must_leave=False) for slot in slots]
    if desired != "active" or desired in REMOVED_STATES:
        return plan_service(desired, len(stays), stays), {}
    first_on: dict[int, SlotView] = {}
    for slot in sorted(stays, key=lambda each: each.number):
        host = places.get(slot.number)
        if host is not None and host in hosts.kept:
            first_on.setdefault(host, slot)
    # An empty slot of a host that takes no new containers waits for the host; it is not filled meanwhile.
    idle = [slot for host, slot in first_on.items() if slot.is_empty and host not in hosts.eligible]
    retained = [slot for slot in first_on.values() if slot not in idle]
    excess = [slot for slot in stays if slot not in retained]
    plan = plan_service("active", len(retained), retained)
    # Numbers of slots that go now are not free yet: their rows are deleted at the end of the same step.
    new = dict(zip(free_numbers(stays, len(hosts.eligible)), sorted(hosts.eligible - first_on.keys()), strict=False))
    return (
        replace(
            plan,
            fill=tuple(sorted([*plan.fill, *new])),
            drop=plan.drop + numbers_of(excess),
            remove=plan.remove + containers_of_slots(excess),
            waiting=plan.waiting + len(new),
        ),
        new,
    )
