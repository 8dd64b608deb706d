"""What a service must do next: a pure function from its wish and its slots to a plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

GONE = frozenset({"removed", "purged"})


@dataclass(frozen=True, slots=True)
class SlotView:
    """One slot as the plan sees it: its container's wish and shown state, empty when it has none."""

    number: int
    container: int | None
    wish: str = ""
    state: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether the slot needs a new container: it has none, or that one is leaving."""
        return self.container is None or self.wish in GONE or self.state in GONE


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do: slot numbers to `fill` with new containers and to `drop`, containers to `start`, `stop`, `remove`.

    `waiting` counts the containers that are not yet where they should be, these steps included.
    """

    fill: tuple[int, ...] = ()
    drop: tuple[int, ...] = ()
    start: tuple[int, ...] = ()
    stop: tuple[int, ...] = ()
    remove: tuple[int, ...] = ()
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
    kept, excess = _keep(slots, scale)
    leaving = _containers(excess)
    if desired == "active":
        return _active(kept, excess, leaving, scale)
    running = [slot for slot in kept if not slot.is_empty]
    stop = [slot for slot in running if slot.wish == "running"]
    return Plan(
        drop=_numbers(excess),
        remove=leaving,
        stop=_ids(stop),
        waiting=sum(slot.state != "stopped" for slot in running),
    )


def _active(kept: list[SlotView], excess: list[SlotView], leaving: tuple[int, ...], scale: int) -> Plan:
    empty = [slot.number for slot in kept if slot.is_empty]
    used = {slot.number for slot in kept}
    free = (number for number in range(1, scale + len(used) + 1) if number not in used)
    new = [next(free) for _ in range(scale - len(kept))]
    there = [slot for slot in kept if not slot.is_empty]
    return Plan(
        fill=tuple(sorted(empty + new)),
        drop=_numbers(excess),
        remove=leaving,
        start=_ids([slot for slot in there if slot.wish == "stopped"]),
        waiting=len(empty) + len(new) + sum(slot.state != "running" for slot in there),
    )


def _keep(slots: Sequence[SlotView], scale: int) -> tuple[list[SlotView], list[SlotView]]:
    """The slots that stay (lowest numbers) and those that go."""
    return list(slots[:scale]), list(slots[scale:])


def _numbers(slots: Sequence[SlotView]) -> tuple[int, ...]:
    return tuple(slot.number for slot in slots)


def _containers(slots: Sequence[SlotView]) -> tuple[int, ...]:
    return _ids([slot for slot in slots if not slot.is_empty])


def _ids(slots: Sequence[SlotView]) -> tuple[int, ...]:
    return tuple(slot.container for slot in slots if slot.container is not None)
