"""How a thread wakes a coroutine: many rings before it looks are one."""

from __future__ import annotations

import asyncio
import contextlib


class ThreadsafeEvent:
    """Made in the loop's thread, rung from any."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._event = asyncio.Event()
        self._rung = False

    def set(self) -> None:
        """Wake who waits."""
        if not self._rung:
            self._rung = True
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                self._loop.call_soon_threadsafe(self._event.set)

    async def wait(self) -> None:
        """Return at the next ring, or at once after one that nobody heard."""
        await self._event.wait()
        self._event.clear()
        self._rung = False
