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
from apps.stacks.handover import Handover
from apps.stacks.health import HEALTHY
from apps.stacks.models import Service, Slot
from apps.stacks.plan import SlotView
from apps.stacks.readiness import ReadyRule, is_ready, seconds_in, wait_for_ready
from apps.stacks.rollout import NEXT_BATCH_AT
from apps.stacks.upgrade import PAUSED, ROLLING_BACK, UPGRADING

HANDED_OVER = "handed_over"  # in the status: which handover, in which direction, has come to its end


@dataclass(frozen=True, slots=True)
class HandoverStep:
    """What the service is held to now: its `scale`, the `other_scale` to request of the other one, if any.

    `is_over` when the two are where they are to end, `next_at` when the next step may be taken.
    """

    scale: int
    other: Service | None = None
    other_scale: int | None = None
    is_over: bool = False
    next_at: datetime | None = None
    message: str = ""


def handover_step(row: Service, slots: Sequence[Slot], views: Sequence[SlotView]) -> HandoverStep | None:
    """The next step of the service's handover to another; None when there is none, or it is over."""
    if row.upgrade_target_id is None or row.desired != "active" or row.status.get(HANDED_OVER) == token_of(row):
        return None
    now = len(slots)
    if row.upgrade_phase in PAUSED:
        return HandoverStep(now)
    other = Service.all_objects.select_related("stack").get(pk=row.upgrade_target_id)
    is_gone = other.removal_requested
    if is_gone and row.upgrade_phase == UPGRADING:
        return HandoverStep(
            now, message=f"{other.name}, which was to take over, is removed: {row.name} takes back what it had."
        )
    next_at = parse_datetime(row.status.get(NEXT_BATCH_AT) or "")
    if next_at is not None and next_at > timezone.now():
        return HandoverStep(now, next_at=next_at, message=_counts(row, now, other))
    theirs = 0 if is_gone else other.scale
    is_growing = row.upgrade_phase == ROLLING_BACK
    if not all(each.is_done and (each.is_ready or not is_growing) for each in views) or not (
        is_gone or _is_settled(other, seconds_in(row.upgrade))
    ):
        trouble = "" if is_gone or not other.fault else labeled(other.name, other.message)
        return HandoverStep(now, message=trouble or _counts(row, now, other))
    return _next_step(row, other, now, theirs)


def _next_step(row: Service, other: Service, now: int, theirs: int) -> HandoverStep:
    batch = max(1, int(row.upgrade.get("batchSize", 1)))
    if row.upgrade_phase == ROLLING_BACK:
        plan = Handover(row.scale, min(int(row.upgrade.get("toScale", 0)), theirs), batch)
        mine_next, theirs_next = plan.next_scales(now, theirs)
        is_over = plan.is_over(now, theirs)
    else:
        plan = Handover(int(row.upgrade.get("finalScale", 1)), 0, batch)
        theirs_next, mine_next = plan.next_scales(theirs, now)
        is_over = plan.is_over(theirs, now)
    if is_over:
        return HandoverStep(now, is_over=True)
    pause = timedelta(milliseconds=int(row.upgrade.get("intervalMillis", 0)))
    changed = theirs_next if theirs_next != theirs else None
    message = _counts(row, mine_next, other)
    return HandoverStep(mine_next, other, changed, next_at=timezone.now() + pause, message=message)


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
    if not (is_observed and other.display_state == "active" and is_at_work):
        return False
    rows = Container.all_objects.filter(slot__service=other)
    wait_for_ready(rows, min_ready)
    rule = ReadyRule(min_ready, finding_of(other, rows))
    return all(is_ready(each, rule) for each in rows)


def apply_handover(step: HandoverStep | None, operation: Operation | None) -> None:
    """Request the other service's next scale, unless its state does not allow it yet; the caller's transaction."""
    if step is None or step.other is None or step.other_scale is None:
        return
    try:
        changes = {"scale": step.other_scale}
        request_change(step.other, "update", actor=SYSTEM, changes=changes, request=changes, parent=operation)
    except Problem:
        return


def services_handing_over(row: Service) -> Iterable[tuple[str, int]]:
    """The services to requeue that hand over to this one, when it has come to rest."""
    rows = Service.all_objects.filter(upgrade_target=row.pk, removed=None).values_list("pk", flat=True)
    return [("service", key) for key in rows]
