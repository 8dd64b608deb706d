"""Restarting a service's containers in batches (v1 contract, section 4.4: `rollingRestartStrategy`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.dateparse import parse_datetime

from apps.containers.lifecycle import CONTAINER
from apps.containers.models import Container
from apps.control.models import Operation
from apps.control.services import request_change
from apps.environments.actor import Actor
from apps.stacks.batches import check_batches
from apps.stacks.models import Service, Slot
from apps.stacks.readiness import ReadyRule, is_ready, seconds_in
from apps.stacks.restart import RestartPlan, RestartView, plan_restart
from apps.stacks.rollout import NEXT_BATCH_AT, request_if_allowed
from apps.stacks.unit_steps import ServiceUnits


@dataclass(frozen=True, slots=True)
class RestartStrategy:
    """How many deployment units at a time, how long between the beginnings of two batches, and when one is ready."""

    batch_size: int = 1
    interval_ms: int = 2000
    min_ready: int | None = None

    def __post_init__(self) -> None:
        """Check the limits. Raises `Invalid`."""
        check_batches(self.batch_size, self.interval_ms, self.min_ready)


def service_restart(row: Service, *, actor: Actor, strategy: RestartStrategy) -> Service:
    """Have every container that the service has now restarted, in batches; jobs that have ended are not run again.

    What is desired is kept with the service: how often each container had been asked to restart by now. One that was
    asked more often since, by whomever, or that has been replaced, is done; so nothing has to be remembered on the way.
    The containers of a deployment unit, sidekicks included, are restarted together. Raises `Forbidden`,
    `ActionNotAvailable`, `Conflict`.
    """
    units = ServiceUnits(row)
    primaries = [slot.container for slot in Slot.objects.filter(service=row).select_related("container")]
    wanted = [[each for each in _unit(units, primary) if not each.is_finished] for primary in primaries]
    marks = {str(each.pk): each.restart_mark for unit in wanted for each in unit}
    settings = {"batchSize": strategy.batch_size, "intervalMillis": strategy.interval_ms}
    settings |= {} if strategy.min_ready is None else {"minReadySeconds": strategy.min_ready}
    restart = {**settings, "marks": marks, "units": sum(map(bool, wanted))}
    request = {"rollingRestartStrategy": settings, "containers": len(marks)}
    request_change(row, "restart", actor=actor, changes={"restart": restart}, request=request)
    return row


def _unit(units: ServiceUnits, primary: Container | None) -> list[Container]:
    """The containers of a deployment unit that stay: the primary, then its sidekicks."""
    there = [] if primary is None else [primary, *units.members_of(primary)]
    return [each for each in there if not each.removal_requested]


def restart_plan(units: ServiceUnits, slots: Sequence[Slot], scale: int, rule: ReadyRule) -> RestartPlan:
    """What the restart takes next in the slots that stay, `scale` in number; nothing when it is done."""
    row = units.row
    marks = row.restart.get("marks") or {}
    if not marks or row.desired != "active":
        return RestartPlan()
    rule = replace(rule, seconds=seconds_in(row.restart))
    primaries = [slot.container for slot in sorted(slots, key=lambda slot: slot.number)]
    staying = [each for each in primaries if each is not None and not each.removal_requested]
    views = [_view(each, _unit(units, each), marks, rule) for each in staying]
    next_at = parse_datetime(row.status.get(NEXT_BATCH_AT) or "")
    may_begin = next_at is None or next_at <= timezone.now()
    return plan_restart(scale, max(1, int(row.restart.get("batchSize", 1))), views, may_begin=may_begin)


def _view(primary: Container, unit: Sequence[Container], marks: Mapping[str, int], rule: ReadyRule) -> RestartView:
    due = [each for each in unit if _is_due(each, marks)]
    is_up = all(_is_up(each) for each in unit)
    least = ReadyRule(0) if due else rule  # what is to be restarted is not broken for having begun a moment ago
    return RestartView(
        primary.pk,
        is_due=bool(due),
        is_up=is_up,
        is_ready=is_up and all(is_ready(each, least) for each in unit),
        can_restart=all(CONTAINER.allows("restart", each.display_state) for each in due),
    )


def _is_over(container: Container) -> bool:
    return container.is_finished


def _is_up(container: Container) -> bool:
    return _is_over(container) or container.display_state in {"running", "updating-running"}


def _is_due(container: Container, marks: Mapping[str, int]) -> bool:
    return not _is_over(container) and container.restart_mark <= marks.get(str(container.pk), -1)


def apply_restart(units: ServiceUnits, slots: Sequence[Slot], plan: RestartPlan, operation: Operation | None) -> None:
    """Request the restarts of the plan, in the caller's transaction.

    Those of a unit are requested together: a sidekick whose network is restarted waits for it then, and is not
    restarted once more when that runs.
    """
    marks = units.row.restart.get("marks") or {}
    by_key = {slot.container.pk: slot.container for slot in slots if slot.container is not None}
    for key in plan.begin:
        for each in _unit(units, by_key[key]):
            if _is_due(each, marks):
                request_if_allowed(each, "restart", operation)


def next_restart_at(row: Service, plan: RestartPlan) -> datetime | None:
    """When the next batch may begin, now that the plan's has; None when none is left."""
    if plan.begin and plan.left > len(plan.begin):
        return timezone.now() + timedelta(milliseconds=int(row.restart.get("intervalMillis", 0)))
    return parse_datetime(row.status.get(NEXT_BATCH_AT) or "") if plan.left else None


def restart_progress(row: Service, plan: RestartPlan) -> tuple[int, int]:
    """How many units of how many have been restarted, or are being."""
    total = int(row.restart.get("units", 0))
    return total - plan.left + len(plan.begin), total
