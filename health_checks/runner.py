"""Makes the checks of one document over and over, on one event loop, and knows the health of each container."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from health_checks.check import Check
from health_checks.probe import Done, Probe, reachable
from health_checks.state import HEALTHY, INITIALIZING, UNCHECKED, UNHEALTHY, Health, after_outcome, after_time

_JITTER = 0.05
_REACH_SECONDS = 10.0
_TICK = 0.02  # seconds: checks begin together, as to wake up for each costs as much as the check
_FIRST_WITHIN = 1.0  # the checks of a new document are spread over this long
MAX_PER_SECOND = 1000  # a check may want to be made every 0.1 s; together they must not keep the host from its work
UNREACHABLE = "The container's network cannot be reached from where its checks are made."


class Started(Protocol):
    """A check under way."""

    def cancel(self) -> None:
        """Give it up."""


@dataclass(slots=True)
class _Watch:
    check: Check
    health: Health
    changed: int = 0  # the runner's number of the last change
    timer: asyncio.TimerHandle | None = None
    probe: Started | None = field(default=None)


class CheckRunner:
    """The checks of one host. All methods belong to the thread of the event loop."""

    def __init__(
        self,
        start: Callable[[Check, Done], Started] = Probe,
        can_reach: Callable[[Check], bool] = reachable,
    ) -> None:
        self._start, self._can_reach = start, can_reach
        self._watched: dict[str, _Watch] = {}
        self._changed = asyncio.Event()
        self._reached: dict[str, tuple[float, bool]] = {}  # by network: until when it is believed, and whether
        self._second, self._begun = 0.0, 0  # how many checks have begun in this second
        self.version = -1
        self.number = 0

    @property
    def count(self) -> int:
        """How many checks are made."""
        return len(self._watched)

    def apply(self, version: int, checks: Mapping[str, Check]) -> None:
        """Make these checks from now on; those that stay as they were go on undisturbed."""
        self.version = version
        self._reached.clear()
        for key in [key for key, watch in self._watched.items() if watch.check != checks.get(key)]:
            self._forget(key, checks.get(key))
        for key, check in checks.items():
            if key not in self._watched:
                known = HEALTHY if check.last == HEALTHY else UNHEALTHY if check.last == UNHEALTHY else INITIALIZING
                self._watch(key, check, Health(self._now(), known))

    def _forget(self, key: str, following: Check | None) -> None:
        """Stop a check; the same run of a container keeps its health when only the check has changed."""
        watch = self._watched.pop(key)
        if watch.timer is not None:
            watch.timer.cancel()
        if watch.probe is not None:
            watch.probe.cancel()
        if following is not None and following.run == watch.check.run:
            self._watch(key, following, replace(watch.health, streak=0))

    def _watch(self, key: str, check: Check, health: Health) -> None:
        watch = self._watched[key] = _Watch(check, health)
        self._note_change(watch)
        self._schedule(watch, random.uniform(0, min(_FIRST_WITHIN, check.interval)))  # noqa: S311 - spreads load

    def _schedule(self, watch: _Watch, delay: float) -> None:
        """Check it again after `delay`, and in any case when its time to become healthy is over."""
        if watch.health.state == INITIALIZING and watch.check.initializing:
            delay = min(delay, max(0.0, watch.health.since + watch.check.initializing - self._now()))
        loop = asyncio.get_running_loop()
        at = math.ceil((loop.time() + delay) / _TICK) * _TICK
        watch.timer = loop.call_at(at, self._begin, watch)

    def _begin(self, watch: _Watch) -> None:
        interval = watch.check.interval * random.uniform(1 - _JITTER, 1)  # noqa: S311 - spreads load
        started = self._now()
        if not self._may_begin(started):
            self._schedule(watch, random.uniform(0.1, 1.0))  # noqa: S311 - spreads load
            return
        if not self._reaches(watch.check, started):
            self._set(watch, Health(started, UNCHECKED, 0, UNREACHABLE))
            self._schedule(watch, max(interval, 10.0))
            return

        def done(failure: str) -> None:
            watch.probe = None
            now = self._now()
            self._set(watch, after_outcome(watch.check, watch.health, failure, now))
            self._schedule(watch, max(0.0, interval - (now - started)))

        try:
            watch.probe = self._start(watch.check, done)
        except OSError:  # this process is out of descriptors, which says nothing of the container
            self._set(watch, after_time(watch.check, watch.health, started))
            self._schedule(watch, max(interval, 1.0))

    def _reaches(self, check: Check, now: float) -> bool:
        """Whether its network can be reached, asked once for all checks of a network: it costs half of a check."""
        until, found = self._reached.get(check.subnet, (0.0, False))
        if now >= until:
            found = self._can_reach(check)
            self._reached[check.subnet] = (now + _REACH_SECONDS, found)
        return found

    def _may_begin(self, now: float) -> bool:
        if now - self._second >= 1:
            self._second, self._begun = now, 0
        self._begun += 1
        return self._begun <= MAX_PER_SECOND

    def _set(self, watch: _Watch, health: Health) -> None:
        before, watch.health = watch.health, health
        if before.state != health.state:
            self._note_change(watch)

    def _note_change(self, watch: _Watch) -> None:
        self.number += 1
        watch.changed = self.number
        self._changed.set()

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def states(self, after: int = 0) -> dict[str, dict[str, Any]]:
        """State, reason and run of what changed after number `after`; from 0, of everything."""
        return {
            key: {"state": watch.health.state, "reason": watch.health.reason, "run": watch.check.run}
            for key, watch in self._watched.items()
            if watch.changed > after
        }

    async def wait_for_change(self, after: int) -> None:
        """Return once something changed after number `after`."""
        while self.number <= after:
            self._changed.clear()
            await self._changed.wait()

    def close(self) -> None:
        """Stop all checks."""
        self.apply(-1, {})
