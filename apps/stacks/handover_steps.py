"""An upgrade from one service to another in the loop: the scales that the two have next, as the pure plan says."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone
from django.utils.dateparse import parse_datetime

from apps.containers.models import Container
from apps.control.models import Operation
from apps.control.services import request_change
from apps.core.errors import Problem
from apps.core.plurals import counted
from apps.core.texts import labeled
from apps.environments.actor import SYSTEM
from apps.stacks.balancer.finding import finding_of
from apps.stacks.drain import unit_of
from apps.stacks.handover import Handover
from apps.stacks.health import HEALTHY, unit_health
from apps.stacks.models import Service, Slot
from apps.stacks.plan import SlotView
from apps.stacks.readiness import ReadyRule, is_ready, seconds_in, wait_for_ready
from apps.stacks.rollout import NEXT_BATCH_AT
from apps.stacks.upgrade import PAUSED, ROLLING_BACK
from apps.stacks.upgrade_in_place import in_place_action, write_in_place

# An upgrade of its own that is undecided does not keep the other one from working, nor from being scaled.
_AT_REST = frozenset({"active", "upgraded", "canceled-upgrade"})
HANDED_OVER = "handed_over"  # in the status: which handover, in which direction, has come to its end


@dataclass(frozen=True, slots=True)
class HandoverStep:
    """What the service is held to now: its `scale`, the `other_scale` to request of the other one, if any.

    `stops_other` when that one is stopped along with it, `is_over` when the two are where they are to end, `next_at`
    when the next step may be taken.
    """

    scale: int
    other: Service | None = None
    other_scale: int | None = None
    stops_other: bool = False
    is_over: bool = False
    next_at: datetime | None = None
    message: str = ""


def handover_step(row: Service, slots: Sequence[Slot], views: Sequence[SlotView]) -> HandoverStep | None:
    """The next step of the service's handover to another; None when there is none, or it is over."""
    is_ended = not row.upgrade_phase or row.status.get(HANDED_OVER) == token_of(row)
    if row.upgrade_target_id is None or row.desired != "active" or is_ended:
        return None
    now = len(slots)
    if row.upgrade_phase in PAUSED:
        return HandoverStep(now)
    other = Service.all_objects.select_related("stack").get(pk=row.upgrade_target_id)
    if row.upgrade_phase == ROLLING_BACK:
        return _step_back(row, other, now, views)
    next_at = _pause_of(row)
    if next_at is not None and not other.removal_requested:
        return HandoverStep(now, next_at=next_at, message=_counts(row, now, other))
    if why := _why_waiting(row, other, now, views):
        return HandoverStep(now, message=why)
    return _step_onward(row, other, now)


def _pause_of(row: Service) -> datetime | None:
    """Until when the pause between two steps lasts; None when it is over."""
    next_at = parse_datetime(row.status.get(NEXT_BATCH_AT) or "")
    return next_at if next_at is not None and next_at > timezone.now() else None


def _step_onward(row: Service, other: Service, now: int) -> HandoverStep:
    plan = Handover(int(row.upgrade.get("finalScale", 1)), 0, _batch_of(row))
    if plan.is_over(other.scale, now):
        return HandoverStep(now, is_over=True)
    theirs_next, mine_next = plan.next_scales(other.scale, now)
    return _moved(row, other, mine_next, theirs_next)


def _step_back(row: Service, other: Service, now: int, views: Sequence[SlotView]) -> HandoverStep:
    """The next step of the rollback, which waits for the service's own containers alone and never for the other's."""
    at_work = _count_at_work(other)
    if not at_work and now < row.scale:  # nothing serves: neither a pause nor a batch would spare anybody anything
        return HandoverStep(row.scale, message=_counts(row, row.scale, other))
    next_at = _pause_of(row)
    if next_at is not None or not all(each.is_done and each.is_ready for each in views):
        return HandoverStep(now, next_at=next_at, message=_counts(row, now, other))
    theirs = 0 if other.removal_requested else other.scale
    floor = 0 if _was_stopped(row) else min(int(row.upgrade.get("toScale", 0)), theirs)
    ends_now = other.desired != "active" or _was_stopped(row) or theirs <= floor
    if now == row.scale and ends_now:
        return _step_at_end(row, other, now, floor)
    plan = Handover(row.scale, floor, _batch_of(row))
    mine_next, theirs_next = plan.next_scales(now, theirs, at_work)
    why = _held_up(other) if theirs_next != theirs else ""
    if why and now >= row.scale:
        return HandoverStep(now, message=f"{_counts(row, now, other)}; {why}")
    if why:  # what is done to the other one comes first there, and the service gets its containers nevertheless
        mine_next, theirs_next = min(row.scale, now + plan.batch_size), theirs
    return _moved(row, other, mine_next, theirs_next)


def _step_at_end(row: Service, other: Service, now: int, floor: int) -> HandoverStep:
    """The service is back: the other one keeps `floor` containers, or is stopped again at the scale that it had."""
    is_decided_elsewhere = bool(other.upgrade_phase) and other.desired == "active"
    if other.removal_requested or (_was_stopped(row) and is_decided_elsewhere):
        return HandoverStep(now, is_over=True)
    scale = int(row.upgrade.get("toScale", 0)) if _was_stopped(row) else floor
    stops = _was_stopped(row) and other.desired == "active"
    if not stops and other.scale == scale:
        return HandoverStep(now, is_over=True)
    why = _held_up(other, "deactivate" if stops else "")
    message = f"{_counts(row, now, other)}; {why}" if why else _counts(row, now, other)
    return HandoverStep(now, other, scale, stops_other=stops, message=message)


def _was_stopped(row: Service) -> bool:
    """Whether the other service was stopped when it was to take over; of older handovers that is not known."""
    return bool(row.upgrade.get("toDesired") == "inactive")


def _batch_of(row: Service) -> int:
    return max(1, int(row.upgrade.get("batchSize", 1)))


def _moved(row: Service, other: Service, mine: int, theirs: int) -> HandoverStep:
    pause = timedelta(milliseconds=int(row.upgrade.get("intervalMillis", 0)))
    changed = theirs if theirs != other.scale and not other.removal_requested else None
    return HandoverStep(mine, other, changed, next_at=timezone.now() + pause, message=_counts(row, mine, other))


def _count_at_work(other: Service) -> int:
    """How many containers of the other service serve, of those that it keeps at its scale."""
    if other.desired != "active":
        return 0
    slots = Slot.objects.filter(service=other).select_related("container__host").order_by("number")[: other.scale]
    there = [slot.container for slot in slots if slot.container is not None]
    return sum(each.desired == "running" and unit_health(unit_of(each)) == HEALTHY for each in there)


def _held_up(other: Service, action: str = "") -> str:
    """Why the other service cannot be scaled, or the `action` be requested of it, now; empty when it can."""
    action = action or in_place_action(other)
    state = other.display_state
    if other.LIFECYCLE.allows(action, state):
        return ""
    remedy = other.LIFECYCLE.remedy(action, state, other.LIFECYCLE.transitions[action].start)
    return labeled(f"waiting for {other.name}, which is {state}", str(remedy.text) if remedy else "")


def _why_waiting(row: Service, other: Service, now: int, views: Sequence[SlotView]) -> str:
    """What the next step onward waits for; empty when it need not."""
    if other.removal_requested:
        return f"{other.name}, which was to take over, is removed: {row.name} takes back what it had."
    if not all(each.is_done for each in views):
        return _counts(row, now, other)
    if _is_settled(other, seconds_in(row.upgrade)):
        return ""
    if other.desired != "active":
        return f"{other.name} is stopped: start it, or cancel the upgrade of {row.name} and roll it back."
    if other.fault:
        return labeled(other.name, other.message)
    return f"{_counts(row, now, other)}; {_held_up(other) or f'waiting for the containers of {other.name}'}"


def _counts(row: Service, now: int, other: Service) -> str:
    return f"{row.name} has {counted(now, 'container')}, {other.name} {other.scale}"


def is_handing_over(step: HandoverStep | None) -> bool:
    """Whether further steps are to come."""
    return step is not None and not step.is_over


def handed_over(row: Service, step: HandoverStep | None) -> dict[str, Any]:
    """What the service's status keeps of it."""
    if row.upgrade_target_id is None:
        return {}
    return {HANDED_OVER: token_of(row) if step is not None and step.is_over else row.status.get(HANDED_OVER)}


def handover_columns_at_end(row: Service, step: HandoverStep | None) -> dict[str, Any]:
    """The columns of a service at rest that was rolled back: it names no other one any more, and nothing is undecided.

    They are saved together with the state that says that it is at rest.
    """
    is_back = row.upgrade_target_id is not None and row.upgrade_phase == ROLLING_BACK and row.desired == "active"
    return {"upgrade_target_id": None, "upgrade": {}} if is_back and not is_handing_over(step) else {}


def token_of(row: Service) -> str:
    """Which handover, and in which direction: a scale that people change afterwards is none of its business."""
    return f"{row.upgrade.get('id')} {row.upgrade_phase}"


def _is_settled(other: Service, min_ready: int) -> bool:
    """Whether all containers of the other service do their work."""
    status = other.status or {}
    is_observed = other.observed_generation == other.generation and status.get("achieved") == other.generation
    is_at_work = status.get("running") == other.scale and (not other.scale or status.get("health") == HEALTHY)
    if not (is_observed and other.display_state in _AT_REST and is_at_work):
        return False
    rows = Container.all_objects.filter(slot__service=other)
    wait_for_ready(rows, min_ready)
    rule = ReadyRule(min_ready, finding_of(other, rows))
    return all(is_ready(each, rule) for each in rows)


def apply_handover(step: HandoverStep | None, operation: Operation | None) -> None:
    """Request the other service's next scale, unless its state does not allow it yet; the caller's transaction."""
    if step is None or step.other is None or step.other_scale is None:
        return
    changes = {"scale": step.other_scale}
    try:
        if step.stops_other:
            stopped = {**changes, "restart": {}}  # as where somebody stops it: it is not restarted any further
            request_change(step.other, "deactivate", actor=SYSTEM, changes=stopped, request=changes, parent=operation)
        else:
            write_in_place(step.other, changes, actor=SYSTEM, parent=operation)
    except Problem:
        return


def services_handing_over(row: Service) -> Iterable[tuple[str, int]]:
    """The services to requeue that hand over to this one, when it has come to rest."""
    rows = Service.all_objects.filter(upgrade_target=row.pk, removed=None).values_list("pk", flat=True)
    return [("service", key) for key in rows]
