"""How a rolling restart goes on: a pure function from the deployment units of a service to those to restart now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RestartView:
    """One deployment unit as the plan sees it, by its primary `container`.

    `is_due` while one of its containers has not been restarted since the restart was requested, `is_up` while all run,
    `is_ready` when they do their work as well, `can_restart` when the states of those that are due let them be.
    """

    container: int
    is_due: bool = False
    is_up: bool = True
    is_ready: bool = True
    can_restart: bool = True


@dataclass(frozen=True, slots=True)
class RestartPlan:
    """The units to `begin` with now; `left` counts those that have not been restarted yet, these included."""

    begin: tuple[int, ...] = ()
    left: int = 0


def plan_restart(scale: int, batch_size: int, views: Sequence[RestartView], *, may_begin: bool = True) -> RestartPlan:
    """The next batch of an active service that should have `scale` units.

    Never are fewer than `scale - batch_size` left running, nor, by its doing, fewer than that ready: what is missing
    or broken for another reason counts against the batch. What does not run takes no room, and what runs without doing
    its work goes before what does.
    """
    due = [each for each in views if each.is_due]
    able = [each for each in due if each.can_restart] if may_begin else []
    room = max(0, batch_size - (scale - sum(each.is_up for each in views)))
    room_ready = max(0, batch_size - (scale - sum(each.is_ready for each in views)))
    down = [each for each in able if not each.is_up]
    broken = [each for each in able if each.is_up and not each.is_ready][:room]
    ready = [each for each in able if each.is_ready][: min(room - len(broken), room_ready)]
    begin = [*down, *broken, *ready][:batch_size]
    return RestartPlan(tuple(each.container for each in begin), len(due))
