"""Reconciling storage pools: which volumes a host has, how large they are, and what mounts them."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from apps.control.reconcile import extend_lease
from apps.core.result import ReconcileResult
from apps.drivers.base import Driver, EngineError
from apps.hosts.models import Host
from apps.hosts.selectors import driver_of
from apps.volumes.listing import store_listing
from apps.volumes.models import StoragePool, Volume

LIST_EVERY = (540.0, 660.0)
"""Seconds between listings; a new or removed volume or container makes it sooner, so this is for what no event said."""
RETRY_EVERY = 60.0
MEASURE_EVERY = timedelta(minutes=15)
MEASURE_NEW_EVERY = timedelta(minutes=2)
_MEASURE_LEASE = 150.0


def reconcile_pool(row: StoragePool) -> ReconcileResult:
    """List the volumes of the host, and measure them now and then; events only make it sooner."""
    host: Host = row.host
    if host.removal_requested:
        return ReconcileResult(state=row.state, status=row.status)
    if not host.is_responding:
        message = f"{host} does not answer; these are the volumes that it had."
        return ReconcileResult(state="active", message=message, status=row.status, requeue_after=RETRY_EVERY)
    try:
        engine = driver_of(host)
        seen = engine.volumes()
    except EngineError as error:
        message = f"The volumes could not be listed: {error}"
        return ReconcileResult(state="active", message=message, status=row.status, requeue_after=RETRY_EVERY)
    now = timezone.now()
    sizes: Mapping[str, int] = {}
    message, measured_at = "", row.measured_at
    if seen and _is_to_be_measured(row, {each.name for each in seen}, now):
        sizes, message = _measure(row, engine)
        measured_at = now
    store_listing(host, seen, sizes, now)
    pause = random.uniform(*LIST_EVERY)  # noqa: S311 - spread, not secrecy
    if _has_new(host.pk, measured_at):
        pause = MEASURE_NEW_EVERY.total_seconds()
    return ReconcileResult(
        state="active",
        message=message,
        status=_summarize(host),
        fields={"measured_at": measured_at, "name": str(host)[:255]},
        requeue_after=pause,
    )


def _is_to_be_measured(row: StoragePool, names: set[str], now: datetime) -> bool:
    if row.measured_at is None or now - row.measured_at >= MEASURE_EVERY:
        return True
    if now - row.measured_at < MEASURE_NEW_EVERY:
        return False
    known = set(Volume.all_objects.filter(host=row.host_id, removed=None).values_list("name", flat=True))
    return bool(names - known) or _has_new(row.host_id, row.measured_at)


def _has_new(host: int, measured_at: datetime | None) -> bool:
    """Whether volumes were found since the last measurement; what that could not measure is none of them."""
    unmeasured = Volume.all_objects.filter(host=host, removed=None, size__isnull=True)
    return bool((unmeasured.filter(created__gt=measured_at) if measured_at else unmeasured).exists())


def _measure(row: StoragePool, engine: Driver) -> tuple[Mapping[str, int], str]:
    """The sizes, and why there are none; engines of many small files take minutes, and are then not waited for."""
    extend_lease(row, _MEASURE_LEASE)
    try:
        return engine.volume_sizes(), ""
    except EngineError as error:
        return {}, f"The volumes could not be measured: {error}"


def _summarize(host: Host) -> dict[str, Any]:
    """How many volumes there are and how large, with a digest that differs whenever pages about them would."""
    columns = ("pk", "name", "state", "size", "scope", "users", "stack_name")
    rows = list(Volume.all_objects.filter(host=host, removed=None).order_by("pk").values_list(*columns))
    unused = [row for row in rows if not row[5]]
    return {
        "volumes": len(rows),
        "unused": len(unused),
        "bytes": sum(row[3] or 0 for row in rows),
        "unusedBytes": sum(row[3] or 0 for row in unused),
        "digest": hashlib.sha256(repr(rows).encode()).hexdigest()[:16],
    }
