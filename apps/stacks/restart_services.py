"""Restarting a service's containers in batches (v1 contract, section 4.4: `rollingRestartStrategy`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone
from django.utils.dateparse import parse_datetime

from apps.containers.lifecycle import CONTAINER
from apps.containers.models import Container
from apps.control.models import Operation
from apps.control.services import request_change
from apps.environments.actor import Actor
from apps.stacks.batches import check_batches
from apps.stacks.models import Service, Slot
from apps.stacks.restart import RestartPlan, RestartView, plan_restart
from apps.stacks.rollout import NEXT_BATCH_AT, request_if_allowed


@dataclass(frozen=True, slots=True)
class RestartStrategy:
    """How many containers at a time, and how long between the beginnings of two batches."""

    batch_size: int = 1
    interval_ms: int = 2000

    def __post_init__(self) -> None:
        """Check the limits. Raises `Invalid`."""
        check_batches(self.batch_size, self.interval_ms)


def service_restart(row: Service, *, actor: Actor, strategy: RestartStrategy) -> Service:
    """Have every container that the service has now restarted, in batches; jobs that have ended are not run again.

    What is desired is kept with the service: how often each container had been asked to restart by now. One that was
    asked more often since, by whomever, or that has been replaced, is done; so nothing has to be remembered on the way.
    Raises `Forbidden`, `ActionNotAvailable`, `Conflict`.
    """
    containers = [slot.container for slot in Slot.objects.filter(service=row).select_related("container")]
    marks = {str(each.pk): each.restart_mark for each in containers if each and each.final_exit_code is None}
    settings = {"batchSize": strategy.batch_size, "intervalMillis": strategy.interval_ms}
    request = {"rollingRestartStrategy": settings, "containers": len(marks)}
    request_change(row, "restart", actor=actor, changes={"restart": {**settings, "marks": marks}}, request=request)
    return row


def restart_plan(row: Service, slots: Sequence[Slot], scale: int) -> RestartPlan:
    """What the restart takes next in the slots that stay, `scale` in number; nothing when it is done."""
    marks = row.restart.get("marks") or {}
    if not marks or row.desired != "active":
        return RestartPlan()
    containers = [slot.container for slot in sorted(slots, key=lambda slot: slot.number)]
    views = [_view(each, marks) for each in containers if each is not None and not each.removal_requested]
    next_at = parse_datetime(row.status.get(NEXT_BATCH_AT) or "")
    may_begin = next_at is None or next_at <= timezone.now()
    return plan_restart(scale, max(1, int(row.restart.get("batchSize", 1))), views, may_begin=may_begin)


def _view(container: Container, marks: Mapping[str, int]) -> RestartView:
    state, is_over = container.display_state, container.final_exit_code is not None
    is_up = is_over or state in {"running", "updating-running"}
    return RestartView(
        container.pk,
        is_due=not is_over and container.restart_mark <= marks.get(str(container.pk), -1),
        is_up=is_up,
        is_ready=is_up and (is_over or container.health in {"", "healthy"}),
        can_restart=CONTAINER.allows("restart", state),
    )


def apply_restart(slots: Sequence[Slot], plan: RestartPlan, operation: Operation | None) -> None:
    """Request the restarts of the plan, in the caller's transaction."""
    by_key = {slot.container.pk: slot.container for slot in slots if slot.container is not None}
    for key in plan.begin:
        request_if_allowed(by_key[key], "restart", operation)


def next_restart_at(row: Service, plan: RestartPlan) -> datetime | None:
    """When the next batch may begin, now that the plan's has; None when none is left."""
    if plan.begin and plan.left > len(plan.begin):
        return timezone.now() + timedelta(milliseconds=int(row.restart.get("intervalMillis", 0)))
    return parse_datetime(row.status.get(NEXT_BATCH_AT) or "") if plan.left else None


def restart_progress(row: Service, plan: RestartPlan) -> tuple[int, int]:
    """How many containers of how many have been restarted, or are being."""
    marks: Mapping[str, Any] = row.restart.get("marks") or {}
    return len(marks) - plan.left + len(plan.begin), len(marks)
