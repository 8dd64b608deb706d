"""An event that threads set and a coroutine waits for."""

from __future__ import annotations

import asyncio
import contextlib


class ThreadsafeEvent:
    """Created in the thread of the event loop, set from any; setting it again before it is handled does nothing."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._event = asyncio.Event()
        self._is_set = False

    def set(self) -> None:
        """Wake the waiting coroutine."""
        if not self._is_set:
            self._is_set = True
            with contextlib.suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(self._event.set)

    async def wait(self) -> None:
        """Wait until the event is set, and clear it."""
        await self._event.wait()
        self._event.clear()
        self._is_set = False
