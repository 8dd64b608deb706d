"""A container that is to stop, and what still sends requests to it: it is stopped once nothing does."""

from __future__ import annotations

from django.utils import timezone

from apps.containers.models import Container
from apps.control.queue import enqueue
from apps.core.hooks import hooks
from apps.core.result import ReconcileResult
from apps.drivers.base import EngineContainer

LEAVING_SINCE = "leaving_since"  # in the status of a container that waits to be stopped
_STOPPING = frozenset({"stop", "restart"})
_RECHECK = 1.0


def wait_before_stop(row: Container, seen: EngineContainer | None, step: str) -> ReconcileResult | None:
    """What to report instead of a step that stops a container which still gets requests; None when it may be taken."""
    if step not in _STOPPING or seen is None or seen.state != "running" or not row.address:
        return None
    since = leaving_since(row) or timezone.now().isoformat()
    reason, waits_for = hooks.reason_to_run(row, since)
    if not reason:
        return None
    status = {**row.status, LEAVING_SINCE: since}
    if not leaving_since(row):  # at once: those that are waited for look for containers with this mark
        Container.all_objects.filter(pk=row.pk, lease=row.lease, generation=row.generation).update(status=status)
    for kind, key in waits_for:
        enqueue(kind, key)
    return ReconcileResult(state=row.display_state, message=reason, status=status, requeue_after=_RECHECK)


def leaving_since(row: Container) -> str:
    """Since when it waits to be stopped; empty unless it does."""
    return str(row.engine_state.get(LEAVING_SINCE, ""))


def is_leaving(row: Container) -> bool:
    """Whether it is to stop, or to be started again: nothing new is sent to it."""
    return row.desired != "running" or row.restart_mark > int(row.engine_state.get("restart_mark", 0))
