"""When a container counts as ready: its health check has passed, or it has run for a while without ending."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone

from apps.containers.endings import CurrentRun
from apps.containers.models import Container
from apps.control.queue import enqueue
from apps.stacks.balancer.finding import NOT_BALANCED, FoundByBalancers, finding_of
from apps.stacks.models import Service, Slot


@dataclass(frozen=True, slots=True)
class ReadyRule:
    """When a container counts: it has run for so many `seconds`, and balancers in front of it have found it."""

    seconds: int
    finding: FoundByBalancers = NOT_BALANCED

    @classmethod
    def of(cls, row: Service, slots: Iterable[Slot]) -> ReadyRule:
        """The rule of a service; while it is at rest nothing waits for balancers, which need not be looked at then."""
        slots = list(slots)
        is_at_rest = row.observed_generation == row.generation == row.status.get("achieved")
        if is_at_rest and not any(slot.successor_id for slot in slots):
            return cls(min_ready_seconds(row))
        there = [each for slot in slots for each in (slot.container, slot.successor, slot.previous) if each is not None]
        return cls(min_ready_seconds(row), finding_of(row, there))

    def awaited(self, containers: Iterable[Container]) -> list[Container]:
        """Those of the containers that would be ready but for the balancers."""
        alone = ReadyRule(self.seconds)
        return [each for each in containers if not each.is_finished and is_ready(each, alone)]


def min_ready_seconds(row: Service) -> int:
    """How long a container of the service must run before it counts: what its upgrade, or its restart, says."""
    return seconds_in(row.restart if row.display_state == "restarting" else row.upgrade)


def seconds_in(strategy: Mapping[str, Any]) -> int:
    """The same of a stored strategy; the installation's default where it says nothing."""
    found = strategy.get("minReadySeconds")
    return int(settings.MIN_READY_SECONDS if found is None else found)


def is_ready(container: Container, rule: ReadyRule) -> bool:
    """Whether it does its work and gets requests; a job that has ended has done it, and never runs again.

    Between its start and the end of the time it may have crashed unseen, also while the portal was away: only an
    engine that was asked after it says that it has not.
    """
    if container.is_finished:
        return True
    is_well = _is_checked(container) or _run_of(container).seconds >= rule.seconds
    return _does_its_work(container) and is_well and not rule.finding.is_awaited(container)


def _does_its_work(container: Container) -> bool:
    return container.display_state == "running" and container.health in {"", "healthy"}


def _is_checked(container: Container) -> bool:
    return container.health == "healthy"


def _run_of(container: Container) -> CurrentRun:
    return CurrentRun.from_status(container.engine_state)


def wait_for_ready(containers: Iterable[Container], min_ready: int) -> datetime | None:
    """When the first of these may be ready by having run long enough; those whose time is over are looked at now.

    The one that was looked at requeues its service.
    """
    now, dues, rule = timezone.now(), [], ReadyRule(min_ready)
    waiting = [each for each in containers if _does_its_work(each) and not is_ready(each, rule)]
    for each in waiting:
        since = _run_of(each).since
        due = since + timedelta(seconds=min_ready) if since else now
        if due <= now:
            enqueue(each.KIND, each.pk)
        else:
            dues.append(due)
    return min(dues, default=None)
