"""The timeline of a container: what was done to keep it going, and why. Written by the loop alone."""

from __future__ import annotations

from django.db.models import F
from django.utils import timezone

from apps.containers.endings import RunEnd
from apps.containers.models import Container, ContainerEvent
from apps.containers.network_checks import network_health
from apps.core.result import ReconcileResult
from apps.drivers.base import EngineContainer

ANEW = "anew"  # in a container's status: why it is to be removed and made once more
PEER_REPLACED = "peer_replaced"  # likewise: that it was removed here, as what lends it network or volumes was replaced
MAX_EVENTS = 50  # of one container; the same thing for the same reason is one
_CHECK_KINDS = {"unhealthy": "unhealthy", "healthy": "healthy"}


def record_event(row: Container, kind: str, reason: str, times: int = 1) -> None:
    """Add an event, or count it with the last one where that says the same."""
    reason, now = reason[:255], timezone.now()
    mine = ContainerEvent.objects.filter(container=row)
    last = mine.first()
    if last is not None and (last.kind, last.reason) == (kind, reason):
        mine.filter(pk=last.pk).update(count=F("count") + times, at=now)
        return
    ContainerEvent.objects.create(
        environment_id=row.environment_id,
        container=row,
        spread_key=row.spread_key,
        kind=kind,
        reason=reason,
        count=times,
        first_at=now,
        at=now,
    )
    surplus = list(mine.values_list("pk", flat=True)[MAX_EVENTS : MAX_EVENTS + 10])
    if surplus:
        mine.filter(pk__in=surplus).delete()


def record_changes(
    row: Container, before: EngineContainer | None, now: EngineContainer, result: ReconcileResult, *, restarted: bool
) -> None:
    """Record what a reconcile shows or did; `before` is what the engine showed before its step."""
    status = result.status or {}
    by_engine = now.restart_count - int(row.status.get("engine_restarts", 0)) if row.external_id == now.id else 0
    end = RunEnd.of(before) or RunEnd.of(now) or RunEnd.from_status(status)
    if by_engine > 0:
        record_event(row, "restarted", end.reason if end else "", by_engine)
    elif before is None and PEER_REPLACED in row.status:
        record_event(row, "replaced", "Recreated, as a container whose network or volumes it takes was replaced.")
    elif before is None and (restarted or ANEW in row.status):
        why = row.status.get(ANEW)
        reason = f"Its engine could not start it any more: {why}" if why else "It was removed on its host."
        record_event(row, "recreated", reason)
    elif restarted:
        record_event(row, "restarted", end.reason if end else "")
    _record_check(row, str(result.fields.get("health", "")))
    code = status.get("final_exit_code")
    if code is not None and row.final_exit_code is None and not row.is_ended_by_stop:
        record_event(row, "failed" if code else "completed", end.reason if end else "")


def _record_check(row: Container, health: str) -> None:
    """A check that failed, and one that succeeds again; its first success is no news."""
    if health == row.health or health not in _CHECK_KINDS:
        return
    if health == "unhealthy" or row.health == "unhealthy":
        state, why = network_health(row)
        reason = why if health == state else ""
        record_event(row, _CHECK_KINDS[health], reason)
