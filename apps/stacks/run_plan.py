"""What becomes of the due times of a scheduled service: a pure function from what is due and what goes on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from apps.stacks.cron import DueTimes
from apps.stacks.schedule import REPLACE, SKIP, Schedule

# How long after its due time a run is still in time: the portal may be started again meanwhile, or have much to do.
GRACE = timedelta(minutes=2)
START_DEADLINE = timedelta(minutes=10)  # how long a run may wait for a host before it has failed

WAITING, STARTING, RUNNING, STOPPING = "waiting", "starting", "running", "stopping"
SUCCEEDED, FAILED, TIMED_OUT, REPLACED, STOPPED = "succeeded", "failed", "timed-out", "replaced", "stopped"
SKIPPED, MISSED = "skipped", "missed"

WITH_CONTAINER = frozenset({STARTING, RUNNING, STOPPING})  # one at most is in these
LIVE = frozenset({WAITING, *WITH_CONTAINER})
BAD_ENDS = frozenset({FAILED, TIMED_OUT})
NEVER_RAN = frozenset({SKIPPED, MISSED})

BY_SCHEDULE, CATCH_UP, BY_HAND = "schedule", "catch-up", "manual"


@dataclass(frozen=True, slots=True)
class NewRun:
    """An entry of the history: a run that is to start (`waiting`), or due times without one (`skipped`, `missed`)."""

    state: str
    due: datetime
    first_due: datetime
    count: int = 1
    trigger: str = BY_SCHEDULE


def plan_due(
    schedule: Schedule, due: DueTimes | None, now: datetime, *, is_busy: bool, is_one_waiting: bool
) -> tuple[NewRun, ...]:
    """The entries for what is due. Of several due times at once the last one runs, if it is in time or is caught up.

    `is_busy` while a run goes on; at most one waits for it, and what is due after that one is skipped.
    """
    if due is None:
        return ()
    is_late = now - due.last > GRACE
    if is_late and not schedule.catch_up:
        return (NewRun(MISSED, due.last, due.first, due.count),)
    # How many due times lie before the last one is not exact for very many; that they were missed is.
    earlier = (NewRun(MISSED, _before(schedule, due), due.first, due.count - 1),) if due.count > 1 else ()
    is_skipped = is_one_waiting or (is_busy and schedule.overlap == SKIP)
    trigger = CATCH_UP if is_late else BY_SCHEDULE
    return (*earlier, NewRun(SKIPPED if is_skipped else WAITING, due.last, due.last, trigger=trigger))


def _before(schedule: Schedule, due: DueTimes) -> datetime:
    """A moment for the entry of what was missed that no other entry has: the time of the last one but one."""
    times = schedule.due_between(due.first - timedelta(seconds=1), due.last - timedelta(seconds=1))
    return times.last if times else due.first


def is_replaced(schedule: Schedule, *, is_one_waiting: bool) -> bool:
    """Whether the run that goes on is stopped for one that waits."""
    return is_one_waiting and schedule.overlap == REPLACE
