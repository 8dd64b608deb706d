"""A token bucket for each of many callers: so many requests a second in the long run, so many at once. Pure."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable

MAX_CALLERS = 10_000


class TokenBuckets:
    """Buckets of `capacity` tokens that fill in `period` seconds; from any thread.

    The least recently used ones beyond `MAX_CALLERS` are dropped: whoever comes back then starts with a full bucket.
    """

    def __init__(self, capacity: int, period: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._capacity, self._per_second = capacity, capacity / period
        self._clock = clock
        self._lock = threading.Lock()
        self._levels: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def take(self, caller: Hashable) -> float:
        """Take a token: 0 when there was one, else the seconds until there is one."""
        with self._lock:
            now = self._clock()
            level, at = self._levels.pop(caller, (float(self._capacity), now))
            level = min(float(self._capacity), level + (now - at) * self._per_second)
            is_allowed = level >= 1
            self._levels[caller] = (level - 1 if is_allowed else level, now)
            if len(self._levels) > MAX_CALLERS:
                self._levels.popitem(last=False)
            return 0.0 if is_allowed else (1 - level) / self._per_second
