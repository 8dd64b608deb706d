"""What several sockets are to send of the same change is rendered once, for all that may see the same of it."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from apps.realtime.base_socket import run_in_thread

MAX_AGE_SECONDS = 5.0
MAX_KEPT = 256


@dataclass(frozen=True, slots=True)
class _Rendering:
    started: float
    text: asyncio.Task[str | None]


class SharedRenderings:
    """The latest rendering of each (row, rights). It serves every change that was heard of before it was started.

    Belongs to one event loop. What is kept is bounded by number and age: it is for sockets that ask within moments.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, _Rendering] = OrderedDict()
        self.count = 0  # of renderings, for whoever measures

    async def get(self, key: Hashable, heard_at: float, render: Callable[[], str | None]) -> str | None:
        """The text for a change heard of at the monotonic time `heard_at`; `render` makes it, in a thread."""
        found = self._kept.get(key)
        if found is None or found.started < heard_at:
            found = self._start(key, render)
        return await asyncio.shield(found.text)  # one socket that closes must not take it from the others

    def _start(self, key: Hashable, render: Callable[[], str | None]) -> _Rendering:
        now = time.monotonic()
        self._forget_older_than(now - MAX_AGE_SECONDS)
        self.count += 1
        found = _Rendering(now, asyncio.get_running_loop().create_task(run_in_thread(render)))
        self._kept[key] = found
        self._kept.move_to_end(key)
        return found

    def _forget_older_than(self, limit: float) -> None:
        while self._kept:
            oldest = next(iter(self._kept))
            if self._kept[oldest].started >= limit and len(self._kept) < MAX_KEPT:
                return
            del self._kept[oldest]


class FirstHeard:
    """When this process first heard of a message that reaches each of its sockets separately."""

    def __init__(self) -> None:
        self._at: OrderedDict[Hashable, float] = OrderedDict()

    def at(self, message: Hashable) -> float:
        """The monotonic time; now, for one that nobody has asked for yet."""
        found = self._at.setdefault(message, time.monotonic())
        while len(self._at) > MAX_KEPT:
            self._at.popitem(last=False)
        return found


class FrameBudget:
    """How many frames the sockets of one account are sent: a bucket that refills; beyond it changes are gathered.

    Nothing is lost by waiting: what changes meanwhile is sent once, as it is then.
    """

    BURST = 5000.0
    PER_SECOND = 2000.0

    def __init__(self) -> None:
        self._spent: dict[int, tuple[float, float]] = {}

    def spend(self, account: int, frames: int) -> float:
        """Note that so many are sent; how many seconds to wait before the next."""
        now = time.monotonic()
        debt, at = self._spent.get(account, (0.0, now))
        debt = max(0.0, debt - (now - at) * self.PER_SECOND) + frames
        self._spent[account] = (debt, now)
        if len(self._spent) > MAX_KEPT:
            settled = [key for key, (owed, when) in self._spent.items() if owed <= (now - when) * self.PER_SECOND]
            for key in settled:
                del self._spent[key]
        return max(0.0, debt - self.BURST) / self.PER_SECOND
