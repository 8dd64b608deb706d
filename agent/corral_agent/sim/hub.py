"""A simulated engine's events; like a real one it remembers the last 256."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Mapping
from typing import Any

_KEPT, _WAITING = 256, 10_000

Json = dict[str, Any]


class Hub:
    """What happened, for everybody who follows."""

    def __init__(self) -> None:
        self._kept: deque[Json] = deque(maxlen=_KEPT)
        self._followers: set[asyncio.Queue[Json | None]] = set()

    def tell(self, kind: str, action: str, key: str, attributes: Mapping[str, str]) -> None:
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
        self._kept.append(event)
        for follower in self._followers:
            if follower.qsize() < _WAITING:  # who does not read misses some
                follower.put_nowait(event)

    async def follow(self, since: int | None, until: int | None) -> AsyncIterator[Json]:
        """Events from `since` (nanoseconds) or from now on; those of the past only with `until`."""
        mine: asyncio.Queue[Json | None] = asyncio.Queue()
        for event in self._kept:
            if since is not None and since <= event["timeNano"] and (until is None or event["timeNano"] <= until):
                mine.put_nowait(event)
        if until is not None:
            mine.put_nowait(None)
        else:
            self._followers.add(mine)
        try:
            while (found := await mine.get()) is not None:
                yield found
        finally:
            self._followers.discard(mine)
