"""Whose request is answered next: one of a client at a time, and none of a client that has just had its share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

REST = 9.0
"""How much longer than its last answer took to make a client waits for the next: it has a tenth of the time at most."""
_MAX_IDLE = 1000


class Turns:
    """The turns of all clients; a turn is work of the event loop, which does nothing else meanwhile."""

    def __init__(self) -> None:
        self._locks: dict[str, asyncio.Lock] = {}
        self._rests_until: dict[str, float] = {}

    async def take(self, client: str, work: Callable[[], T]) -> T:
        """Do a client's work when it is its turn. Names, tunnel and other clients come in between in any case."""
        loop = asyncio.get_running_loop()
        async with self._locks.setdefault(client, asyncio.Lock()):
            await asyncio.sleep(max(0.0, self._rests_until.get(client, 0.0) - loop.time()))
            began = loop.time()
            try:
                return work()
            finally:
                now = loop.time()
                self._rests_until[client] = now + REST * (now - began)
                self._forget(now)

    def _forget(self, now: float) -> None:
        """Forget those who are rested, once there are many."""
        if len(self._locks) > _MAX_IDLE:
            rested = [client for client, until in self._rests_until.items() if until <= now]
            for client in rested:
                if not self._locks[client].locked():
                    del self._locks[client], self._rests_until[client]
