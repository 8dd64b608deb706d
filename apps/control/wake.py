"""Wake-ups: which row should be looked at, said once however often it is asked, after commit."""

from __future__ import annotations

import functools
import logging

import redis
from django.conf import settings
from django.db import transaction
from django.utils import timezone

log = logging.getLogger(__name__)

KEY_LIFE_MS = 20_000


@functools.cache
def connection() -> redis.Redis:
    """The client of this process for wake keys; short time-outs because a lost wake-up only costs time."""
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=2)


def _key(kind: str, key: int) -> str:
    return f"corral:wake:{kind}:{key}"


def wake(kind: str, key: int, *, after: float = 0) -> None:
    """Have the loop look at this row once the transaction is committed; `after` seconds from then if given."""
    transaction.on_commit(lambda: send(kind, key, after))


def send(kind: str, key: int, after: float = 0) -> None:
    """Queue one look unless one is queued already."""
    if settings.WAKE_BY == "clock":
        _leave_to_the_clock(kind, key)
        return
    try:
        if not after and not connection().set(_key(kind, key), 1, nx=True, px=KEY_LIFE_MS):
            return
        from apps.control.tasks import reconcile

        reconcile.apply_async((kind, key), countdown=after or None, retry=False)
    except Exception as error:  # noqa: BLE001 - whatever is wrong with the queue, the clock finds the row
        taken(kind, key)
        _leave_to_the_clock(kind, key)
        log.warning("wake-up of %s %s lost (%s); the clock will find it", kind, key, error)


def taken(kind: str, key: int) -> None:
    """Forget the queued look: it is being done, so the next wake-up must queue another."""
    if settings.WAKE_BY == "clock":
        return
    try:
        connection().delete(_key(kind, key))
    except redis.RedisError:
        log.warning("wake key of %s %s could not be deleted; it expires by itself", kind, key)


def _leave_to_the_clock(kind: str, key: int) -> None:
    """Make the row due, so that the next `resync` looks at it."""
    from apps.control.reconcile import KINDS

    rows = KINDS[kind].model.all_objects.filter(pk=key)
    for _ in range(3):  # between the two updates the holder may have let go
        if rows.filter(lease="").update(next_look=timezone.now()) or rows.exclude(lease="").update(woken=True):
            return
