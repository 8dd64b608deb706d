"""What a service must do next: a pure function from its wish and its slots to a plan."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

GONE = frozenset({"removed", "purged"})


@dataclass(frozen=True, slots=True)
class SlotView:
    """One slot as the plan sees it: its container's wish and shown state, empty when it has none.

    `leaves` when the container has to go from its host; `successor` is then the one that takes over once it is
    `ready`, `stray` when that one itself cannot stay where it is.
    """

    number: int
    container: int | None
    wish: str = ""
    state: str = ""
    leaves: bool = False
    successor: int | None = None
    ready: bool = False
    stray: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether the slot needs a new container: it has none, or that one is leaving."""
        return self.container is None or self.wish in GONE or self.state in GONE

    @property
    def takes_over(self) -> bool:
        """Whether the successor is the slot's container from now on."""
        if self.successor is None or self.stray:
            return False
        return self.is_empty or (self.leaves and self.ready)


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do: slot numbers to `fill` with new containers and to `drop`, containers to `start`, `stop`, `remove`.

    Slots of `surge` get a successor, those of `promote` make theirs their container, those of `recall` lose it.
    `waiting` counts the containers that are not yet where they should be, these steps included.
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
    def is_settled(self) -> bool:
        """Whether everything is where it should be."""
        return not (self.fill or self.drop or self.waiting)


def plan(desired: str, scale: int, slots: Sequence[SlotView]) -> Plan:
    """The steps towards `desired` (active, inactive, removed) with `scale` containers.

    The lowest numbers stay, freed numbers are used again, lowest first. An inactive service stops its containers and
    makes none.
    """
    slots = sorted(slots, key=lambda slot: slot.number)
    if desired in GONE:
        return Plan(drop=_numbers(slots), remove=_containers(slots), waiting=0)
    kept, excess = list(slots[:scale]), list(slots[scale:])
    leaving = _containers(excess)
    if desired == "active":
        return _active(kept, excess, leaving, scale)
    running = [slot for slot in kept if not slot.is_empty]
    off = [slot for slot in running if slot.leaves]
    stop = [slot for slot in running if slot.wish == "running" and not slot.leaves]
    spare = [slot for slot in kept if slot.successor is not None]
    return Plan(
        drop=_numbers(excess),
        remove=leaving + _ids(off) + _successors(spare),
        recall=_numbers(spare),
        stop=_ids(stop),
        waiting=sum(slot.state != "stopped" for slot in running),
    )


def _active(kept: list[SlotView], excess: list[SlotView], leaving: tuple[int, ...], scale: int) -> Plan:
    promote = [slot for slot in kept if slot.takes_over]
    stay = [slot for slot in kept if not slot.takes_over]
    empty = [slot.number for slot in stay if slot.is_empty]
    used = {slot.number for slot in kept}
    free = (number for number in range(1, scale + len(used) + 1) if number not in used)
    new = [next(free) for _ in range(scale - len(kept))]
    there = [slot for slot in stay if not slot.is_empty]
    spare = [slot for slot in stay if slot.successor is not None and (slot.stray or not slot.leaves)]
    surge = [slot for slot in there if slot.leaves and (slot.successor is None or slot.stray)]
    return Plan(
        fill=tuple(sorted(empty + new)),
        drop=_numbers(excess),
        remove=leaving + _successors(spare) + _ids([slot for slot in promote if not slot.is_empty]),
        start=_ids([slot for slot in there if slot.wish == "stopped" and not slot.leaves]),
        surge=_numbers(surge),
        promote=_numbers(promote),
        recall=_numbers(spare),
        waiting=len(empty) + len(new) + len(promote) + sum(slot.leaves or slot.state != "running" for slot in there),
    )


def _numbers(slots: Iterable[SlotView]) -> tuple[int, ...]:
    return tuple(slot.number for slot in slots)


def _containers(slots: Iterable[SlotView]) -> tuple[int, ...]:
    """Everything that stands in slots which go, successors included."""
    slots = list(slots)
    return _ids([slot for slot in slots if not slot.is_empty]) + _successors(slots)


def _ids(slots: Iterable[SlotView]) -> tuple[int, ...]:
    return tuple(slot.container for slot in slots if slot.container is not None)


def _successors(slots: Iterable[SlotView]) -> tuple[int, ...]:
    return tuple(slot.successor for slot in slots if slot.successor is not None)
