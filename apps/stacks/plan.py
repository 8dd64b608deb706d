"""What a service must do next: a pure function from its desired state and its slots to a plan."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

REMOVED_STATES = frozenset({"removed", "purged"})


class Numbered(Protocol):
    """A slot, or the plan's view of one."""

    @property
    def number(self) -> int:
        """Its number."""


@dataclass(frozen=True, slots=True)
class SlotView:
    """One slot as the plan sees it: its container's desired and displayed state, empty when it has none.

    `is_finished` when it is a job that has ended and is not started again. `must_leave` when the container has to go
    from its host; `successor` is then the one that takes over once it is
    `successor_ready`, `successor_must_leave` when that one itself cannot stay where it is,
    `successor_is_outdated` when it is of a revision that is not wanted any more, `successor_is_stopped` when it has
    been stopped for that. `is_outdated` when the
    container is of another revision than the service and is to be replaced; `previous` is the one that was kept,
    `previous_is_current` when that is of the service's revision, `previous_is_stopping` while it still runs,
    `previous_must_leave` when it has to go from its host, `previous_is_blocked` when something else has a port there
    that it needs, `previous_waits_for_port` when it waits for that port as it can be on no other host;
    `successor_waits_for_port` when the successor needs a port that the container has. Of its unit's
    sidekicks some may have `sidekicks_outdated`, and some of these be replaced already (`sidekicks_begun`).
    `is_ready` when the container does its work.
    """

    number: int
    container: int | None
    desired: str = ""
    state: str = ""
    is_finished: bool = False
    must_leave: bool = False
    successor: int | None = None
    successor_ready: bool = False
    successor_must_leave: bool = False
    successor_is_outdated: bool = False
    successor_is_stopped: bool = False
    is_outdated: bool = False
    previous: int | None = None
    previous_is_current: bool = False
    previous_is_stopping: bool = False
    previous_must_leave: bool = False
    previous_is_blocked: bool = False
    previous_waits_for_port: bool = False
    successor_waits_for_port: bool = False
    sidekicks_outdated: bool = False
    sidekicks_begun: bool = False
    is_ready: bool = True

    @property
    def is_upgraded_next(self) -> bool:
        """Whether the slot is left to the upgrade's plan: it has containers of another revision that may stay."""
        return (self.is_outdated or self.sidekicks_outdated) and not self.is_empty and not self.must_leave

    @property
    def successor_is_misplaced(self) -> bool:
        """Whether the successor has to go from its host before it could take over."""
        return self.successor is not None and self.successor_must_leave and not self.successor_ready

    @property
    def is_empty(self) -> bool:
        """Whether the slot needs a new container: it has none, or that one is leaving."""
        return self.container is None or self.desired in REMOVED_STATES or self.state in REMOVED_STATES

    @property
    def is_done(self) -> bool:
        """Whether the container of an active service is where it should be: it runs, or has done its job."""
        return self.state == "running" or (self.state == "stopped" and self.is_finished)

    @property
    def takes_over(self) -> bool:
        """Whether the successor is the slot's container from now on."""
        if self.successor is None or self.successor_must_leave:
            return False
        return self.is_empty or (self.must_leave and self.successor_ready)


@dataclass(frozen=True, slots=True)
class ServicePlan:
    """What to do: slot numbers to `fill` with new containers and to `drop`, containers to `start`, `stop`, `remove`.

    Slots of `surge` get a successor, those of `promote` make theirs their container, those of `recall` lose it.
    `waiting` counts the containers that are not yet where they should be, these steps included; those that an upgrade
    replaces are counted by its own plan.
    """

    fill: tuple[int, ...] = ()
    drop: tuple[int, ...] = ()
    start: tuple[int, ...] = ()
    stop: tuple[int, ...] = ()
    remove: tuple[int, ...] = ()
    surge: tuple[int, ...] = ()
    promote: tuple[int, ...] = ()
    recall: tuple[int, ...] = ()
    waiting: int = 0

    @property
    def is_in_sync(self) -> bool:
        """Whether everything is where it should be."""
        return not (self.fill or self.drop or self.waiting)


def plan_service(desired: str, scale: int, slots: Sequence[SlotView]) -> ServicePlan:
    """The steps towards `desired` (active, inactive, removed) with `scale` containers.

    The lowest numbers stay, freed numbers are used again, lowest first. An inactive service stops its containers and
    makes none.
    """
    slots = sorted(slots, key=lambda slot: slot.number)
    if desired in REMOVED_STATES:
        return ServicePlan(drop=numbers_of(slots), remove=containers_of_slots(slots), waiting=0)
    retained, excess = list(slots[:scale]), list(slots[scale:])
    leaving = containers_of_slots(excess)
    if desired == "active":
        return _plan_active(retained, excess, leaving, scale)
    running = [slot for slot in retained if not slot.is_empty]
    departing = [slot for slot in running if slot.must_leave]
    stop = [slot for slot in running if slot.desired == "running" and not slot.must_leave]
    spare = [slot for slot in retained if slot.successor is not None]
    return ServicePlan(
        drop=numbers_of(excess),
        remove=leaving + _ids(departing) + _successors(spare),
        recall=numbers_of(spare),
        stop=_ids(stop),
        waiting=sum(slot.state != "stopped" for slot in running),
    )


def _plan_active(retained: list[SlotView], excess: list[SlotView], leaving: tuple[int, ...], scale: int) -> ServicePlan:
    promote = [slot for slot in retained if slot.takes_over]
    stay = [slot for slot in retained if not slot.takes_over]
    empty = [slot.number for slot in stay if slot.is_empty]
    new = free_numbers(retained, scale - len(retained))
    # What an upgrade replaces is neither started again nor robbed here of a successor that may still get ready.
    lost = [slot for slot in stay if slot.is_outdated and slot.is_upgraded_next and slot.successor_is_misplaced]
    stay = [slot for slot in stay if not (slot.is_outdated and slot.is_upgraded_next)]
    there = [slot for slot in stay if not slot.is_empty]
    spare = [slot for slot in stay if slot.successor is not None and (slot.successor_must_leave or not slot.must_leave)]
    spare += lost
    surge = [slot for slot in there if slot.must_leave and (slot.successor is None or slot.successor_must_leave)]
    return ServicePlan(
        fill=tuple(sorted(empty + new)),
        drop=numbers_of(excess),
        remove=leaving + _successors(spare) + _ids([slot for slot in promote if not slot.is_empty]),
        start=_ids([slot for slot in there if slot.desired == "stopped" and not (slot.must_leave or slot.is_finished)]),
        surge=numbers_of(surge),
        promote=numbers_of(promote),
        recall=numbers_of(spare),
        waiting=len(empty) + len(new) + len(promote) + sum(slot.must_leave or not slot.is_done for slot in there),
    )


def numbers_of(slots: Iterable[SlotView]) -> tuple[int, ...]:
    """The numbers of slots."""
    return tuple(slot.number for slot in slots)


def containers_of_slots(slots: Iterable[SlotView]) -> tuple[int, ...]:
    """All containers of slots that are dropped, successors and kept ones included."""
    slots = list(slots)
    kept = tuple(slot.previous for slot in slots if slot.previous is not None)
    return _ids([slot for slot in slots if not slot.is_empty]) + _successors(slots) + kept


def _ids(slots: Iterable[SlotView]) -> tuple[int, ...]:
    return tuple(slot.container for slot in slots if slot.container is not None)


def _successors(slots: Iterable[SlotView]) -> tuple[int, ...]:
    return tuple(slot.successor for slot in slots if slot.successor is not None)


def free_numbers(slots: Collection[Numbered], count: int) -> list[int]:
    """The lowest numbers that no slot has."""
    used = {slot.number for slot in slots}
    return [number for number in range(1, count + len(used) + 1) if number not in used][:count]
