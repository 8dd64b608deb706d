"""Database work off the event loop, in a few threads of its own, so that tunnels never wait for WebSockets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from django.db import close_old_connections

T = TypeVar("T")

_POOL = ThreadPoolExecutor(4, thread_name_prefix="tunnels")


async def run_in_thread(call: Callable[..., T], *args: Any) -> T:
    """Run a blocking function."""
    return await asyncio.get_running_loop().run_in_executor(_POOL, _call_with_fresh_connections, call, args)


def _call_with_fresh_connections(call: Callable[..., T], args: tuple[Any, ...]) -> T:
    close_old_connections()
    try:
        return call(*args)
    finally:
        close_old_connections()
