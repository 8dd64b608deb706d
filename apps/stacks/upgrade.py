"""How an upgrade goes on: a pure function from the slots that are not up to date to the steps that may be taken now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from apps.stacks.plan import SlotView

UPGRADING, CANCELED, ROLLING_BACK, CANCELED_ROLLBACK = "upgrading", "canceled", "rolling-back", "canceled-rollback"

# What a service is once the loop has done what the phase asks for; without a word here it is what is desired of it.
STEADY_STATES = {UPGRADING: "upgraded", CANCELED: "canceled-upgrade", CANCELED_ROLLBACK: "canceled-rollback"}
_STOPPED = frozenset({"stopped", "error"})
PAUSED = frozenset({CANCELED, CANCELED_ROLLBACK})
KEEPING = frozenset({UPGRADING, *PAUSED})  # the phases after which the containers of before may be wanted again


@dataclass(frozen=True, slots=True)
class Rollout:
    """How containers are brought to the service's revision.

    At most `batch_size` slots at a time, the next ones only once these run and, with `may_begin` false, not before the
    interval is over. With `start_first` the new container runs before the old one is stopped. `keeps_previous` keeps
    the old ones, stopped, for a rollback. With `holds_after_first` the first batch has to prove itself before others
    follow.
    """

    batch_size: int = 1
    start_first: bool = False
    keeps_previous: bool = False
    may_begin: bool = True
    holds_after_first: bool = False


@dataclass(frozen=True, slots=True)
class UpgradePlan:
    """Slot numbers by what is to be done with them.

    `stop`: stop the container, to be replaced; `replace`: its container is stopped, give the slot another; `surge`:
    start another beside it; `promote`: that one runs, make it the slot's; `discard`: remove what was kept;
    `halt`: stop a successor that another upgrade has made obsolete; `recall`: it is stopped, remove it. What a slot
    of `discard` kept is not used for its `replace` or `surge`: something else has its port, so another is created.
    `begun` are the slots with which a batch begins now, `sidekicks` those whose outdated sidekicks are to be replaced;
    `left` counts the slots that are not up to date, `unready` those that are and run without being ready.
    """

    stop: tuple[int, ...] = ()
    replace: tuple[int, ...] = ()
    surge: tuple[int, ...] = ()
    promote: tuple[int, ...] = ()
    discard: tuple[int, ...] = ()
    halt: tuple[int, ...] = ()
    recall: tuple[int, ...] = ()
    begun: tuple[int, ...] = ()
    sidekicks: tuple[int, ...] = ()
    left: int = 0
    unready: int = 0


def plan_upgrade(rollout: Rollout, slots: Sequence[SlotView], busy: int, unready: int = 0) -> UpgradePlan:
    """The next steps for the slots of an active service.

    `busy` counts the up-to-date slots that are not where they should be, `unready` those that are, but not ready yet.

    Slots that are empty or whose host is being left are not for this plan: they get a container of the current
    revision anyway, and were both plans to give them one, the second would take the first for the one to replace.
    They count as `busy`.
    """
    # Those first that do not run anyway: where one upgrade replaces another that fails, no more of them stand still.
    outdated = sorted(
        (slot for slot in slots if slot.is_upgraded_next),
        key=lambda slot: (slot.is_outdated and slot.is_done, slot.number),
    )
    obsolete = [slot for slot in slots if _has_obsolete_successor(slot)]
    in_progress = [slot for slot in outdated if _has_begun(slot)]
    waiting = [slot for slot in outdated if not _has_begun(slot)]
    is_free = not (busy or unready or in_progress or obsolete or any(slot.previous_is_stopping for slot in slots))
    is_held = rollout.holds_after_first and len(outdated) < len(slots)
    begun = _next_batch(rollout, waiting) if is_free and rollout.may_begin and not is_held else []
    primaries = [slot for slot in in_progress if slot.is_outdated]
    ended = [slot for slot in begun if slot.is_outdated and slot.is_finished and not rollout.start_first]
    surge = [slot for slot in begun if slot.is_outdated and rollout.start_first]
    replaced = [slot for slot in [*primaries, *ended] if slot.successor is None and _is_stopped(slot)]
    blocked = {slot.number for slot in [*surge, *replaced] if slot.previous_is_blocked}
    return UpgradePlan(
        stop=tuple(slot.number for slot in [*begun, *primaries] if _is_stopped_next(slot, rollout)),
        surge=tuple(slot.number for slot in surge),
        replace=tuple(slot.number for slot in replaced),
        promote=tuple(slot.number for slot in primaries if slot.successor_ready),
        discard=tuple(slot.number for slot in slots if slot.number in blocked or _is_discarded(slot, rollout)),
        halt=tuple(slot.number for slot in obsolete if not slot.successor_is_stopped),
        recall=tuple(slot.number for slot in obsolete if slot.successor_is_stopped),
        begun=tuple(slot.number for slot in begun),
        sidekicks=tuple(slot.number for slot in [*begun, *in_progress] if slot.sidekicks_outdated),
        left=len(outdated),
        unready=unready,
    )


def _next_batch(rollout: Rollout, waiting: Sequence[SlotView]) -> Sequence[SlotView]:
    """Those whose kept container has its port: of others a slot may free it, and what is left is made again, or waits.

    One that waits for a port keeps later batches waiting: it comes after all others.
    """
    unblocked = [slot for slot in waiting if not (slot.previous_is_blocked or slot.previous_waits_for_port)]
    return (unblocked or waiting)[: rollout.batch_size]


def _is_stopped_next(slot: SlotView, rollout: Rollout) -> bool:
    """Whether its container is stopped for the one that takes over: before it, or as that one needs its port."""
    if not slot.is_outdated or slot.desired == "stopped":
        return False
    return not rollout.start_first if slot.successor is None else slot.successor_waits_for_port


def _is_stopped(slot: SlotView) -> bool:
    """Whether another container may take its place."""
    return slot.state in _STOPPED and (slot.desired == "stopped" or slot.is_finished)


def _has_begun(slot: SlotView) -> bool:
    is_replaced = slot.is_outdated and (slot.successor is not None or slot.desired == "stopped")
    return is_replaced or slot.sidekicks_begun


def _has_obsolete_successor(slot: SlotView) -> bool:
    """Whether what was to take over is of a revision that is not wanted any more, and is not about to do so."""
    return slot.successor is not None and slot.successor_is_outdated and not (slot.is_empty or slot.successor_ready)


def _is_discarded(slot: SlotView, rollout: Rollout) -> bool:
    """Whether what the slot keeps serves nothing any more, or keeps a host from being left."""
    if slot.previous is None or slot.previous_must_leave:
        return slot.previous is not None
    if rollout.keeps_previous:
        return False
    return not (slot.is_outdated and slot.previous_is_current)
