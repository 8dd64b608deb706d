"""The loop: take a lease on a row, look, save what was seen unless the wish moved meanwhile, wake who depends on it."""

from __future__ import annotations

import logging
import random
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Coalesce
from django.utils import timezone

from apps.control.models import OPEN, Operation, OperationLine
from apps.control.wake import taken, wake
from apps.core.events import changed
from apps.core.models import Managed
from apps.core.result import Result
from apps.environments.access import environment_of

log = logging.getLogger(__name__)

Reconcile = Callable[[Any], Result]
Owners = Callable[[Any], Iterable[tuple[str, int]]]

LEASE = timedelta(seconds=90)
BATCH = 200
MAX_PAUSE = 60.0
HOLDER = uuid.uuid4().hex[:12]


@dataclass
class Kind:
    """What the loop knows of one kind of row."""

    name: str
    model: Any
    reconcile: Reconcile
    deadline: float = 600.0
    patience: Mapping[str, float] = field(default_factory=dict)
    owners: list[Owners] = field(default_factory=list)


KINDS: dict[str, Kind] = {}


def register(
    model: Any, reconcile: Reconcile, *, deadline: float = 600.0, patience: Mapping[str, float] | None = None
) -> None:
    """Put a kind under the loop; `deadline` (seconds) is how long an operation may take before it counts as failed.

    `patience` has other deadlines by operation, for those that wait for something that may take its time.
    """
    KINDS[model.KIND] = Kind(model.KIND, model, reconcile, deadline, dict(patience or {}))


def owned_by(kind: str, owners: Owners) -> None:
    """Have `owners(row)` woken whenever a row of `kind` settles, fails or is gone."""
    KINDS[kind].owners.append(owners)


def look(kind_name: str, key: int) -> bool:
    """One look at one row; False when somebody else holds the lease (they will look again) or there is no such row."""
    kind = KINDS[kind_name]
    taken(kind_name, key)
    row = _lease(kind, key)
    if row is None:
        return False
    try:
        result = kind.reconcile(row)
    except Exception as error:  # the loop outlives every mistake of a kind
        log.exception("looking at %s %s", kind_name, key)
        result = Result(
            state=row.shown, message=f"{type(error).__name__}: {error}", again_in=_pause(row.looks), failed=False
        )
    _save(kind, row, result)
    return True


def _lease(kind: Kind, key: int) -> Any:
    """The row under a new lease; None when it is gone, or held by somebody, who is then told to look once more."""
    rows = kind.model.all_objects.filter(pk=key)
    for _ in range(3):  # between the two updates the holder may have let go
        now = timezone.now()
        token = f"{HOLDER}:{uuid.uuid4().hex[:12]}"
        free = Q(lease="") | Q(lease_until__lte=now)
        with transaction.atomic():
            if rows.filter(free).update(lease=token, lease_until=now + LEASE, next_look=now + LEASE, woken=False):
                return rows.get()
        if rows.exclude(lease="").update(woken=True):
            return None
    return None


def extend(row: Managed, seconds: float = LEASE.total_seconds()) -> bool:
    """Keep the lease for a long step; False when it was lost or the wish moved, so the step should stop."""
    until = timezone.now() + timedelta(seconds=seconds)
    mine = type(row).all_objects.filter(pk=row.pk, lease=row.lease, generation=row.generation)
    return bool(mine.update(lease_until=until, next_look=until))


def _save(kind: Kind, row: Any, result: Result) -> None:
    """Write the sighting if the wish is still the one that was looked at, else look again."""
    now = timezone.now()
    sighting = _sighting(row, result, now)
    mine = kind.model.all_objects.filter(pk=row.pk, lease=row.lease)
    with transaction.atomic():
        saved = mine.filter(generation=row.generation, woken=False).update(**sighting, lease="", lease_until=None)
        if not saved:
            saved = mine.filter(generation=row.generation).update(**sighting)
            mine.update(lease="", lease_until=None, next_look=now, woken=False)
            wake(kind.name, row.pk)
        if saved:
            _settle_operation(kind, row, result, now)
    if saved and _differs(row, sighting):
        changed(environment_of(row), kind.name, row.pk)
        if result.failed or result.state not in row.LIFECYCLE.transitional:
            for owners in kind.owners:
                for owner_kind, owner_key in owners(row):
                    wake(owner_kind, owner_key)


def _sighting(row: Any, result: Result, now: datetime) -> dict[str, Any]:
    unsettled = result.state in row.LIFECYCLE.transitional
    again = result.again_in if result.again_in is not None else (_pause(row.looks) if unsettled else None)
    sighting: dict[str, Any] = {
        **result.fields,
        "state": result.state,
        "message": result.message,
        "fault": result.failed or (row.fault and unsettled),
        "observed_generation": row.generation,
        "observed_at": now,
        "looks": row.looks + 1 if unsettled or result.failed else 0,
        "next_look": now + timedelta(seconds=again) if again is not None else None,
    }
    if result.status is not None:
        sighting["status"] = dict(result.status)
    if result.state in {"removed", "purged"} and row.removed is None:
        sighting["removed"] = now
    if result.state not in {"removed", "purged"} and row.removed is not None:
        sighting["removed"] = None
    return sighting


def _pause(looks: int) -> float:
    """Seconds until the next look, doubling from a half to a minute, with jitter."""
    return float(min(MAX_PAUSE, 0.5 * 2 ** min(looks, 10)) * random.uniform(0.7, 1.3))  # noqa: S311 - spread, not secrecy


def _differs(row: Any, sighting: dict[str, Any]) -> bool:
    ignored = {"observed_at", "seen_at", "next_look", "looks"}
    return row.shown != sighting["state"] or any(
        getattr(row, name) != value for name, value in sighting.items() if name not in ignored
    )


def _settle_operation(kind: Kind, row: Any, result: Result, now: datetime) -> None:
    told = Q(generation__lte=row.generation, state__in=OPEN)
    if result.retried:
        told |= Q(generation=row.generation, state="failed")
    mine = Operation.all_objects.filter(told, kind=kind.name, target=row.pk)
    if result.notes:
        keys = list(mine.values_list("pk", flat=True))
        lines = [OperationLine(operation_id=key, text=text) for key in keys for text in result.notes]
        OperationLine.objects.bulk_create(lines)
    said: dict[str, Any] = {"message": result.message}
    if result.progress is not None:
        said["progress"] = result.progress
    if result.failed:
        mine.update(state="failed", ended=now, attempts=F("attempts") + 1, **said)
    elif result.state not in row.LIFECYCLE.transitional:
        mine.update(state="succeeded", ended=now, progress=100, message="")
    else:
        begun: Any = Coalesce("started", now)
        mine.update(state="running", started=begun, attempts=F("attempts") + 1, **said)


def due(now: datetime | None = None) -> list[tuple[str, int]]:
    """Rows whose next look is due and that nobody holds.

    One indexed column says it all: a new wish makes the next look due at once, a lease puts it off until it runs out,
    and a settled sighting sets it to what the kind asked for, or to never.
    """
    now = now or timezone.now()
    late = Q(next_look__lte=now) & (Q(lease="") | Q(lease_until__lte=now))
    return [
        (name, key)
        for name, kind in KINDS.items()
        for key in kind.model.all_objects.filter(late).order_by("next_look").values_list("pk", flat=True)[:BATCH]
    ]


def fail_late(now: datetime | None = None) -> int:
    """Fail the operations that are past their kind's deadline, keeping the reason; the loop goes on trying."""
    now = now or timezone.now()
    late = 0
    for operation, kind, seconds in _late(now):
        why = operation.message or "no reason was given"
        Operation.all_objects.filter(pk=operation.pk, state__in=OPEN).update(
            state="failed", ended=now, message=f"Not done after {seconds:.0f} s: {why}"
        )
        kind.model.all_objects.filter(pk=operation.target, generation=operation.generation).update(fault=True)
        changed(operation.environment_id, kind.name, operation.target)
        late += 1
    return late


def _late(now: datetime) -> Iterator[tuple[Operation, Kind, float]]:
    """The open operations that are past their deadline, with their kind and that."""
    soonest = min(kind.deadline for kind in KINDS.values())
    old = Operation.all_objects.filter(state__in=OPEN, created__lt=now - timedelta(seconds=soonest))
    for operation in old.filter(kind__in=KINDS).order_by("created").iterator(BATCH):
        kind = KINDS[operation.kind]
        seconds = kind.patience.get(operation.name, kind.deadline)
        if operation.created < now - timedelta(seconds=seconds):
            yield operation, kind, seconds


def release_all() -> int:
    """Give back every lease; only for a process that knows it is the only one (the embedded portal at its start)."""
    return sum(
        kind.model.all_objects.exclude(lease="").update(lease="", lease_until=None, next_look=timezone.now())
        for kind in KINDS.values()
    )


def settle(limit: int = 1000) -> int:
    """Look at due rows until nothing is due, in this thread; returns the looks. For tests and one-shot commands."""
    looks = 0
    while looks < limit:
        rows = due()
        if not rows:
            break
        for name, key in rows:
            look(name, key)
            looks += 1
    return looks
