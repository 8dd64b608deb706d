"""When a container counts as ready: its health check has passed, or it has run for a while without ending."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone

from apps.containers.endings import CurrentRun
from apps.containers.models import Container
from apps.control.queue import enqueue
from apps.stacks.models import Service


def min_ready_seconds(row: Service) -> int:
    """How long a container of the service must run before it counts: what its upgrade, or its restart, says."""
    return seconds_in(row.restart if row.display_state == "restarting" else row.upgrade)


def seconds_in(strategy: Mapping[str, Any]) -> int:
    """The same of a stored strategy; the installation's default where it says nothing."""
    found = strategy.get("minReadySeconds")
    return int(settings.MIN_READY_SECONDS if found is None else found)


def is_ready(container: Container, min_ready: int) -> bool:
    """Whether it does its work; a job that has ended has done it, and never runs again.

    Between its start and the end of the time it may have crashed unseen, also while the portal was away: only an
    engine that was asked after it says that it has not.
    """
    if container.final_exit_code is not None:
        return True
    return _does_its_work(container) and (_is_checked(container) or _run_of(container).seconds >= min_ready)


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
    now, dues = timezone.now(), []
    waiting = [each for each in containers if _does_its_work(each) and not is_ready(each, min_ready)]
    for each in waiting:
        since = _run_of(each).since
        due = since + timedelta(seconds=min_ready) if since else now
        if due <= now:
            enqueue(each.KIND, each.pk)
        else:
            dues.append(due)
    return min(dues, default=None)
