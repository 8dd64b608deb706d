"""The loop: lease a row, reconcile it, save its observed state unless the desired state moved, requeue its owners."""

from __future__ import annotations

import logging
import random
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Q, Window
from django.db.models.functions import Coalesce, RowNumber
from django.utils import timezone

from apps.control.due import keys_due
from apps.control.kinds import KINDS, Kind
from apps.control.load import is_behind
from apps.control.models import PENDING_STATES, Operation, OperationLine
from apps.control.queue import clear_pending, enqueue, enqueue_after_commit, has_environment
from apps.core.events import row_changed
from apps.core.models import Managed
from apps.core.result import ReconcileResult
from apps.environments.access import environment_of

log = logging.getLogger(__name__)

LEASE = timedelta(seconds=90)
BATCH = 200
MAX_BACKOFF = 60.0
HEALTH_KEYS = ("health", "crashes")  # of a status: what an owner's own health is decided from
LEASE_HOLDER = uuid.uuid4().hex[:12]


def reconcile_one(kind_name: str, key: int) -> bool:
    """Reconcile one row; False when somebody else holds the lease (and will reconcile again), or it is gone."""
    kind = KINDS[kind_name]
    clear_pending(kind_name, key)
    row = _acquire_lease(kind, key)
    if row is None:
        return False
    try:
        result = kind.reconcile(row)
    except Exception as error:  # the loop survives any bug of a kind
        log.exception("reconciling %s %s", kind_name, key)
        result = ReconcileResult(
            state=row.display_state,
            message=f"{type(error).__name__}: {error}",
            requeue_after=_backoff(row.attempts),
            failed=False,
        )
    _save_observed(kind, row, result)
    return True


def _acquire_lease(kind: Kind, key: int) -> Any:
    """The row under a new lease; None when it is gone, or leased: then the holder is asked to requeue it."""
    rows = kind.model.all_objects.filter(pk=key)
    for _ in range(3):  # the holder may release it between the two updates
        now = timezone.now()
        token = f"{LEASE_HOLDER}:{uuid.uuid4().hex[:12]}"
        free = Q(lease="") | Q(lease_until__lte=now)
        with transaction.atomic():
            # Due again when the lease runs out: a worker that dies leaves nothing that somebody must clean up.
            if rows.filter(free).update(
                lease=token, lease_until=now + LEASE, next_attempt_at=now + LEASE, requeue_requested=False
            ):
                return rows.get()
        if rows.exclude(lease="").update(requeue_requested=True):
            return None
    return None


def extend_lease(row: Managed, seconds: float = LEASE.total_seconds()) -> bool:
    """Keep the lease for a long step; False when it was lost or the desired state moved, so the step should stop."""
    until = timezone.now() + timedelta(seconds=seconds)
    mine = type(row).all_objects.filter(pk=row.pk, lease=row.lease, generation=row.generation)
    return bool(mine.update(lease_until=until, next_attempt_at=until))


def _save_observed(kind: Kind, row: Any, result: ReconcileResult) -> None:
    """Write the observed state if the desired state is still the one that was reconciled; else requeue."""
    now = timezone.now()
    observed = _observed_columns(row, result, now)
    mine = kind.model.all_objects.filter(pk=row.pk, lease=row.lease)
    with transaction.atomic():
        # The filters decide in the database: a change or a request to requeue that was committed during the reconcile
        # must not be overwritten by what was observed before it.
        saved = mine.filter(generation=row.generation, requeue_requested=False).update(
            **observed, lease="", lease_until=None
        )
        if not saved:
            saved = mine.filter(generation=row.generation).update(**observed)
            mine.update(lease="", lease_until=None, next_attempt_at=now, requeue_requested=False)
            enqueue_after_commit(kind.name, row.pk)
        if saved:
            _update_operations(kind, row, result, now)
    if saved and _has_changed(row, observed):
        row_changed(environment_of(row), kind.name, row.pk)
        if _concerns_owners(row, result):
            for owners in kind.owners:
                for owner_kind, owner_key in owners(row):
                    enqueue_after_commit(owner_kind, owner_key)


def _concerns_owners(row: Any, result: ReconcileResult) -> bool:
    """Whether owners are to look: it failed, came to rest or left its rest by itself, or is better or worse."""
    transitional = row.LIFECYCLE.transitional
    if result.failed or result.state not in transitional or row.display_state not in transitional:
        return True
    return result.status is not None and any(result.status.get(key) != row.status.get(key) for key in HEALTH_KEYS)


def _observed_columns(row: Any, result: ReconcileResult, now: datetime) -> dict[str, Any]:
    in_transition = result.state in row.LIFECYCLE.transitional
    again = (
        result.requeue_after
        if result.requeue_after is not None
        else (_backoff(row.attempts) if in_transition else None)
    )
    observed: dict[str, Any] = {
        **result.fields,
        "state": result.state,
        "message": result.message,
        "fault": result.failed or (row.fault and in_transition),
        "observed_generation": row.generation,
        "observed_at": now,
        "attempts": row.attempts + 1 if in_transition or result.failed else 0,
        "next_attempt_at": now + timedelta(seconds=again) if again is not None else None,
    }
    if result.status is not None:
        observed["status"] = dict(result.status)
    if result.state in {"removed", "purged"} and row.removed is None:
        observed["removed"] = now
    if result.state not in {"removed", "purged"} and row.removed is not None:
        observed["removed"] = None
    return observed


def _backoff(attempts: int) -> float:
    """Seconds until the next attempt, doubling from a half to a minute, with jitter."""
    return float(min(MAX_BACKOFF, 0.5 * 2 ** min(attempts, 10)) * random.uniform(0.7, 1.3))  # noqa: S311 - spread, not secrecy


def _has_changed(row: Any, observed: dict[str, Any]) -> bool:
    ignored = {"observed_at", "seen_at", "next_attempt_at", "attempts"}
    return row.display_state != observed["state"] or any(
        getattr(row, name) != value for name, value in observed.items() if name not in ignored
    )


def _update_operations(kind: Kind, row: Any, result: ReconcileResult, now: datetime) -> None:
    affected = Q(generation__lte=row.generation, state__in=PENDING_STATES)
    if result.is_retry:
        affected |= Q(generation=row.generation, state="failed")
    mine = Operation.all_objects.filter(affected, kind=kind.name, target=row.pk)
    if result.notes:
        keys = list(mine.values_list("pk", flat=True))
        lines = [OperationLine(operation_id=key, text=text) for key in keys for text in result.notes]
        OperationLine.objects.bulk_create(lines)
    columns: dict[str, Any] = {"message": result.message}
    if result.progress is not None:
        columns["progress"] = result.progress
    if result.failed:
        mine.update(state="failed", ended=now, attempts=F("attempts") + 1, **columns)
    elif result.state not in row.LIFECYCLE.transitional:
        mine.update(state="succeeded", ended=now, progress=100, message="")
    else:
        begun: Any = Coalesce("started", now)
        mine.update(state="running", started=begun, attempts=F("attempts") + 1, **columns)


def due_rows(now: datetime | None = None) -> list[tuple[str, int]]:
    """Rows whose next attempt is due and that nobody holds.

    One indexed column says it all: a change of the desired state makes the row due at once, a lease puts it off until
    it runs out, and an observed state at rest sets it to what the kind asked for, or to never.
    """
    now = now or timezone.now()
    return [
        (name, key)
        for name, keys in keys_due(now, BATCH + 1).items()
        for key in (_in_turns(KINDS[name], now) if len(keys) > BATCH else keys)
    ]


def _in_turns(kind: Kind, now: datetime) -> list[int]:
    """The keys of a batch where more are due; environments get their turns: one with thousands holds up no other."""
    late = Q(next_attempt_at__lte=now) & (Q(lease="") | Q(lease_until__lte=now))
    rows = kind.model.all_objects.filter(late)
    if not has_environment(kind.model):
        return list(rows.order_by("next_attempt_at").values_list("pk", flat=True)[:BATCH])
    turn = Window(RowNumber(), partition_by=[F("environment")], order_by=["next_attempt_at", "pk"])
    in_turns = rows.annotate(turn=turn).order_by("turn", "next_attempt_at")
    return list(in_turns.values_list("pk", flat=True)[:BATCH])


def resync() -> int:
    """Queue every row that is due, also those whose requeue was lost; how many."""
    rows = due_rows()
    for kind, key in rows:
        enqueue(kind, key)
    return len(rows)


def fail_overdue(now: datetime | None = None) -> int:
    """Fail the operations that are past their kind's deadline, keeping the reason; the loop keeps trying.

    Not while the portal is behind: the time that it could not work is not theirs.
    """
    if is_behind():
        return 0
    now = now or timezone.now()
    late = 0
    for operation, kind, seconds in _overdue(now):
        why = operation.message or "no reason was given"
        Operation.all_objects.filter(pk=operation.pk, state__in=PENDING_STATES).update(
            state="failed", ended=now, message=f"Not done after {seconds:.0f} s: {why}"
        )
        kind.model.all_objects.filter(pk=operation.target, generation=operation.generation).update(fault=True)
        row_changed(operation.environment_id, kind.name, operation.target)
        late += 1
    return late


def _overdue(now: datetime) -> Iterator[tuple[Operation, Kind, float]]:
    """The pending operations that are past their deadline, with their kind and that deadline."""
    soonest = min(kind.deadline for kind in KINDS.values())
    old = Operation.all_objects.filter(state__in=PENDING_STATES, created__lt=now - timedelta(seconds=soonest))
    for operation in old.filter(kind__in=KINDS).order_by("created").iterator(BATCH):
        kind = KINDS[operation.kind]
        seconds = kind.deadline_of(operation.name, operation.input)
        if operation.created < now - timedelta(seconds=seconds):
            yield operation, kind, seconds


def release_all_leases() -> int:
    """Release every lease; only for a process that knows it is the only one (the embedded portal at its start)."""
    return sum(
        kind.model.all_objects.exclude(lease="").update(lease="", lease_until=None, next_attempt_at=timezone.now())
        for kind in KINDS.values()
    )


def reconcile_until_idle(limit: int = 1000) -> int:
    """Reconcile due rows until none is, in this thread; returns how many. For tests and one-shot commands."""
    attempts = 0
    while attempts < limit:
        rows = due_rows()
        if not rows:
            break
        for name, key in rows:
            reconcile_one(name, key)
            attempts += 1
    return attempts
