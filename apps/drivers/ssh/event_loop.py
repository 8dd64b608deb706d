"""One event loop in a thread of its own, for what only asyncio can do; made when first needed."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

_lock = threading.Lock()
_loops: list[asyncio.AbstractEventLoop] = []


def shared_loop() -> asyncio.AbstractEventLoop:
    """The running loop."""
    with _lock:
        if not _loops:
            new_loop = asyncio.new_event_loop()
            threading.Thread(target=new_loop.run_forever, name="ssh", daemon=True).start()
            _loops.append(new_loop)
        return _loops[0]


def run_in_loop(coroutine: Coroutine[Any, Any, T], timeout: float) -> T:
    """The outcome of `coroutine`, done in the loop, for a caller in any other thread. Raises `TimeoutError`."""
    future = asyncio.run_coroutine_threadsafe(coroutine, shared_loop())
    try:
        return future.result(timeout)
    except TimeoutError:
        future.cancel()
        raise TimeoutError("no answer in time") from None
