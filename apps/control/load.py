"""How far the portal itself is behind, and what it leaves out until it has caught up.

What is late is measured here, not at the hosts: a reconcile that waited long in the queue, and a thread that was not
scheduled when it should have been, mean that this machine is too slow for the work, not that a host is silent.

An environment that asked for more than can be done at once waits for itself: that holds up its own placements, but not
those of environments in other queues.
"""

from __future__ import annotations

import functools
import logging
import threading
import time
from collections.abc import Callable
from enum import IntEnum
from typing import Any

import redis
from django.conf import settings

from apps.control.queue import connection
from apps.control.shares import QUEUES, queue_of

log = logging.getLogger(__name__)


class LoadLevel(IntEnum):
    """What is left out, in this order; each level includes the ones before it."""

    NORMAL = 0
    NO_STATISTICS = 1
    NO_HISTORY = 2
    NO_PLACEMENTS = 3


THRESHOLDS = {LoadLevel.NO_STATISTICS: 5.0, LoadLevel.NO_HISTORY: 10.0, LoadLevel.NO_PLACEMENTS: 30.0}
"""Seconds behind, from which on a level holds."""
MEMORY_SECONDS = 15.0
"""How long a measurement counts: work that ended must not keep the alarm up, nor a short pause take it down."""
TICK_SECONDS = 0.5
LAG_WEIGHT = 3.0
"""A thread is scheduled within milliseconds: being two seconds late for that is as bad as six seconds in the queue."""
_SHARED_KEY = "corral:behind"


class LoadMeter:
    """The worst delay of the last seconds; from any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._worst, self._at = 0.0, clock()

    def note(self, seconds: float) -> None:
        """Note a delay."""
        with self._lock:
            if seconds >= self._worst or self._clock() - self._at > MEMORY_SECONDS:
                self._worst, self._at = max(0.0, seconds), self._clock()

    def seconds_behind(self) -> float:
        """The worst delay that still counts."""
        with self._lock:
            return self._worst if self._clock() - self._at <= MEMORY_SECONDS else 0.0


class LoadMeters:
    """A meter for each queue, and one for how late threads are scheduled."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.lag = LoadMeter(clock)
        self.waits = {name: LoadMeter(clock) for name in QUEUES}

    def seconds_behind(self) -> float:
        """The worst of all."""
        return max(self.lag.seconds_behind(), *(each.seconds_behind() for each in self.waits.values()))


meters = LoadMeters()


def note_wait(seconds: float, environment: int | None = None) -> None:
    """A reconcile of this environment has begun that waited so long; other processes learn of long waits."""
    queue = queue_of(environment)
    meters.waits[queue].note(seconds)
    if seconds >= THRESHOLDS[LoadLevel.NO_STATISTICS]:
        _share(queue, seconds)


def seconds_behind() -> float:
    """How far the installation is behind with the work of any environment, as far as this process knows."""
    return max(meters.seconds_behind(), *_shared(int(time.monotonic() // 2)).values())


def seconds_behind_for(environment: int | None) -> float:
    """How far the installation is behind with this environment's work, or its own (None)."""
    queue = queue_of(environment)
    shared = _shared(int(time.monotonic() // 2))[queue]
    return max(meters.lag.seconds_behind(), meters.waits[queue].seconds_behind(), shared)


def load_level() -> LoadLevel:
    """What is left out now, of all environments."""
    return level_at(seconds_behind())


def load_level_for(environment: int | None) -> LoadLevel:
    """What is left out now of this environment's work."""
    return level_at(seconds_behind_for(environment))


def level_at(behind: float) -> LoadLevel:
    """What is left out when work is so many seconds late."""
    return max((level for level, limit in THRESHOLDS.items() if behind >= limit), default=LoadLevel.NORMAL)


def is_behind() -> bool:
    """Whether silence may be the portal's own."""
    return load_level() > LoadLevel.NORMAL


def start_lag_watch() -> Callable[[], None]:
    """Measure in a thread how late this process is scheduled; answers what stops it."""
    stopping = threading.Event()
    threading.Thread(target=_watch_lag, args=(stopping,), name="lag", daemon=True).start()
    return stopping.set


def _watch_lag(stopping: threading.Event) -> None:
    began = time.monotonic()
    while not stopping.wait(TICK_SECONDS):
        now = time.monotonic()
        meters.lag.note((now - began - TICK_SECONDS) * LAG_WEIGHT)
        began = now


def _share(queue: str, seconds: float) -> None:
    if settings.WAKE_BY == "clock":
        return
    try:
        connection().set(f"{_SHARED_KEY}:{queue}", f"{seconds:.1f}", px=int(MEMORY_SECONDS * 1000))
    except redis.RedisError:
        log.info("other processes were not told that this one is behind")


@functools.lru_cache(maxsize=1)
def _shared(_two_seconds: int) -> dict[str, float]:
    """What other processes shared of each queue, asked for once in two seconds."""
    nothing = dict.fromkeys(QUEUES, 0.0)
    if settings.WAKE_BY == "clock":
        return nothing
    try:
        found: Any = connection().mget([f"{_SHARED_KEY}:{queue}" for queue in QUEUES])
        return {queue: float(seconds or 0) for queue, seconds in zip(QUEUES, found, strict=True)}
    except (redis.RedisError, ValueError):
        return nothing
