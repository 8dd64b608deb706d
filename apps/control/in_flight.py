"""How many reconciles of one environment a process has in flight: whose hosts are slow leaves workers to the others.

Turns among queues alone do not do that: eight calls that each wait half a minute for an engine hold every worker.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

WORKERS = 10
AT_ONCE = 8
"""Of one environment; what is left serves the others, and one environment alone is not slower for it."""
WAIT_SECONDS = 1.0
"""That a worker waits for its turn: where reconciles are quick nothing is ever put off."""


class Slots:
    """A number of slots for each environment; what belongs to none (accounts, jobs) needs none."""

    def __init__(self, at_once: int = AT_ONCE, wait_seconds: float = WAIT_SECONDS) -> None:
        self._at_once, self._wait_seconds = at_once, wait_seconds
        self._taken: Counter[int] = Counter()
        self._changed = threading.Condition()

    @contextmanager
    def hold(self, environment: int | None) -> Iterator[bool]:
        """Take a slot meanwhile; False when none became free."""
        if environment is None:
            yield True
            return
        with self._changed:
            is_held = self._changed.wait_for(lambda: self._taken[environment] < self._at_once, self._wait_seconds)
            self._taken[environment] += is_held
        try:
            yield is_held
        finally:
            with self._changed:
                self._taken[environment] -= is_held
                if not self._taken[environment]:
                    del self._taken[environment]
                self._changed.notify_all()
