"""A simulated engine's events; like a real one it remembers the last 256."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Mapping
from typing import Any

_MAX_RECENT_EVENTS, _MAX_QUEUED = 256, 10_000

Json = dict[str, Any]


class EventBus:
    """What happened, for everybody who follows."""

    def __init__(self) -> None:
        self._recent: deque[Json] = deque(maxlen=_MAX_RECENT_EVENTS)
        self._subscribers: set[asyncio.Queue[Json | None]] = set()

    def notify(self, kind: str, action: str, key: str, attributes: Mapping[str, str]) -> None:
        """Hand an event to all followers."""
        now = time.time_ns()
        event = {
            "Type": kind,
            "Action": action,
            "Actor": {"ID": key, "Attributes": dict(attributes)},
            "scope": "local",
            "time": now // 10**9,
            "timeNano": now,
        }
        if kind == "container":
            event |= {"status": action, "id": key, "from": attributes.get("image", "")}
        self._recent.append(event)
        for subscriber in self._subscribers:
            if subscriber.qsize() < _MAX_QUEUED:  # who does not read misses some
                subscriber.put_nowait(event)

    async def subscribe(self, since: int | None, until: int | None) -> AsyncIterator[Json]:
        """Events from `since` (nanoseconds) or from now on; those of the past only with `until`."""
        queue: asyncio.Queue[Json | None] = asyncio.Queue()
        for event in self._recent:
            if since is not None and since <= event["timeNano"] and (until is None or event["timeNano"] <= until):
                queue.put_nowait(event)
        if until is not None:
            queue.put_nowait(None)
        else:
            self._subscribers.add(queue)
        try:
            while (found := await queue.get()) is not None:
                yield found
        finally:
            self._subscribers.discard(queue)
