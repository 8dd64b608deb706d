"""The queue of reconciles: which row is to be reconciled, queued once however often it is asked for, after commit."""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Sequence
from typing import Any

import redis
from celery import current_app
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from apps.control.kinds import KINDS
from apps.control.shares import queue_of
from apps.environments.models import Environment, TenantRow

log = logging.getLogger(__name__)

RECONCILE_TASK = "control.reconcile"
PENDING_KEY_TTL_MS = 20_000
QUEUED_AT_ONCE = 50


@functools.cache
def connection() -> redis.Redis:
    """The Redis client of this process; its time-outs are short because a lost requeue only costs time."""
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=2)


@functools.lru_cache(maxsize=65536)
def environment_of_key(kind: str, key: int) -> int | None:
    """The environment of a row, which never changes; None for what belongs to the installation, or is gone."""
    model = KINDS[kind].model
    if model is Environment:
        return key
    if not has_environment(model):
        return None
    found: int | None = model.all_objects.filter(pk=key).values_list("environment", flat=True).first()
    return found


def has_environment(model: Any) -> bool:
    """Whether rows of this model belong to environments."""
    return issubclass(model, TenantRow)


def _pending_key(kind: str, key: int) -> str:
    return f"corral:wake:{kind}:{key}"


def enqueue_after_commit(kind: str, key: int, *, after: float = 0) -> None:
    """Queue a reconcile of this row once the transaction is committed, `after` seconds from then if given."""
    transaction.on_commit(lambda: enqueue(kind, key, after))


def enqueue_all_after_commit(kind: str, keys: Sequence[int]) -> None:
    """Queue reconciles of new rows, which are due, once the transaction is committed; of many the first ones.

    The next resync queues the others: some milliseconds each would keep whoever imports a large file waiting.
    """
    transaction.on_commit(lambda: _enqueue_all(kind, keys))


def _enqueue_all(kind: str, keys: Sequence[int]) -> None:
    if settings.WAKE_BY == "clock":
        # Nobody leases a row before it is committed: one statement makes all of them due.
        KINDS[kind].model.all_objects.filter(pk__in=keys, lease="").update(next_attempt_at=timezone.now())
        return
    for key in keys[:QUEUED_AT_ONCE]:
        enqueue(kind, key)


def enqueue(kind: str, key: int, after: float = 0) -> None:
    """Queue one reconcile unless one is queued already."""
    if settings.WAKE_BY == "clock":
        _mark_due(kind, key)
        return
    try:
        if not after and not connection().set(_pending_key(kind, key), 1, nx=True, px=PENDING_KEY_TTL_MS):
            return
        # By name: the task imports the loop, which imports this module.
        due = time.time() + after
        current_app.send_task(
            RECONCILE_TASK,
            (kind, key, due),
            queue=queue_of(environment_of_key(kind, key)),
            countdown=after or None,
            retry=False,
            ignore_result=True,
        )
    except Exception as error:  # noqa: BLE001 - whatever is wrong with the queue, the next resync finds the row
        clear_pending(kind, key)
        _mark_due(kind, key)
        log.warning("requeue of %s %s lost (%s); the next resync will find it", kind, key, error)


def put_off(kind: str, key: int) -> None:
    """Leave a reconcile that was taken from the queue to the next resync."""
    clear_pending(kind, key)
    _mark_due(kind, key)


def clear_pending(kind: str, key: int) -> None:
    """Forget the queued reconcile: it has begun, so what is asked for from now on must queue another."""
    if settings.WAKE_BY == "clock":
        return
    try:
        connection().delete(_pending_key(kind, key))
    except redis.RedisError:
        log.warning("the pending key of %s %s could not be deleted; it expires by itself", kind, key)


def _mark_due(kind: str, key: int) -> None:
    """Make the row due, so that the next resync queues it."""
    rows = KINDS[kind].model.all_objects.filter(pk=key)
    for _ in range(3):  # the lease may be taken or released between the two updates
        if rows.filter(lease="").update(next_attempt_at=timezone.now()) or rows.exclude(lease="").update(
            requeue_requested=True
        ):
            return
