"""Wake-ups: which row should be looked at, said once however often it is asked, after commit."""

from __future__ import annotations

import functools
import logging

import redis
from django.conf import settings
from django.db import transaction
from django.utils import timezone

log = logging.getLogger(__name__)

PENDING_KEY_TTL_MS = 20_000


@functools.cache
def connection() -> redis.Redis:
    """The client of this process for wake keys; short time-outs because a lost wake-up only costs time."""
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=2)


def _pending_key(kind: str, key: int) -> str:
    return f"corral:wake:{kind}:{key}"


def enqueue_after_commit(kind: str, key: int, *, after: float = 0) -> None:
    """Have the loop look at this row once the transaction is committed; `after` seconds from then if given."""
    transaction.on_commit(lambda: enqueue(kind, key, after))


def enqueue(kind: str, key: int, after: float = 0) -> None:
    """Queue one look unless one is queued already."""
    if settings.WAKE_BY == "clock":
        _mark_due(kind, key)
        return
    try:
        if not after and not connection().set(_pending_key(kind, key), 1, nx=True, px=PENDING_KEY_TTL_MS):
            return
        from apps.control.tasks import reconcile

        reconcile.apply_async((kind, key), countdown=after or None, retry=False)
    except Exception as error:  # noqa: BLE001 - whatever is wrong with the queue, the clock finds the row
        clear_pending(kind, key)
        _mark_due(kind, key)
        log.warning("wake-up of %s %s lost (%s); the clock will find it", kind, key, error)


def clear_pending(kind: str, key: int) -> None:
    """Forget the queued look: it is being done, so the next wake-up must queue another."""
    if settings.WAKE_BY == "clock":
        return
    try:
        connection().delete(_pending_key(kind, key))
    except redis.RedisError:
        log.warning("wake key of %s %s could not be deleted; it expires by itself", kind, key)


def _mark_due(kind: str, key: int) -> None:
    """Make the row due, so that the next `resync` looks at it."""
    from apps.control.reconcile import KINDS

    rows = KINDS[kind].model.all_objects.filter(pk=key)
    for _ in range(3):  # between the two updates the holder may have let go
        if rows.filter(lease="").update(next_attempt_at=timezone.now()) or rows.exclude(lease="").update(
            requeue_requested=True
        ):
            return
