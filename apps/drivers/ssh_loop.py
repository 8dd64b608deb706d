"""One event loop in a thread of its own, for what only asyncio can do; made at the first need."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

_lock = threading.Lock()
_loops: list[asyncio.AbstractEventLoop] = []


def loop() -> asyncio.AbstractEventLoop:
    """The running loop."""
    with _lock:
        if not _loops:
            made = asyncio.new_event_loop()
            threading.Thread(target=made.run_forever, name="ssh", daemon=True).start()
            _loops.append(made)
        return _loops[0]


def wait_for(work: Coroutine[Any, Any, T], timeout: float) -> T:
    """The outcome of `work`, done in the loop, for a caller in any other thread. Raises `TimeoutError`."""
    future = asyncio.run_coroutine_threadsafe(work, loop())
    try:
        return future.result(timeout)
    except TimeoutError:
        future.cancel()
        raise TimeoutError("no answer in time") from None
