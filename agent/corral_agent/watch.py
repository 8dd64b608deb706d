"""The engine's events, written into the journal whether or not the portal listens."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections import deque
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

from corral_agent.door.flow import Reader
from corral_agent.engine import Engine, EngineAway, opened
from corral_agent.journal import Journal

_AGAIN = 2.0
_LINE_LIMIT = 1024 * 1024
_REPLAYED = 256  # what an engine remembers at most
_OVERLAP = 0.001
_FILTERS = {
    "type": ["container", "image", "network", "volume"],
    "event": [
        *("create", "start", "restart", "stop", "die", "kill", "oom", "pause", "unpause", "rename", "update"),
        *("destroy", "health_status", "pull", "tag", "untag", "delete", "import", "load", "remove"),
    ],
}

Key = tuple[float, str, str, str]


class Watch:
    """Follows the engine for ever; `up` says whether it answers. What it missed meanwhile the engine tells again."""

    def __init__(self, engine: Engine, journal: Journal) -> None:
        self._engine, self._journal = engine, journal
        told = [line for line in journal.after(journal.last - _REPLAYED, _REPLAYED) if line["kind"] != "agent"]
        keys: list[Key] = [(line["at"], line["kind"], line["action"], line["id"]) for line in told]
        self._known: deque[Key] = deque(keys, maxlen=_REPLAYED)
        self._since = keys[-1][0] if keys else time.time()
        self.up: bool | None = None

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            with contextlib.suppress(EngineAway):
                await self._follow()
            self._is(up=False)
            await asyncio.sleep(_AGAIN)

    async def _follow(self) -> None:
        query = urlencode({"since": f"{self._since - _OVERLAP:.9f}", "filters": json.dumps(_FILTERS)})
        async with opened(self._engine, f"/events?{query}") as reader:
            self._is(up=True)
            async for line in _lines(reader):
                self._take(line)

    def _is(self, *, up: bool) -> None:
        if up is not self.up:
            self._journal.add("agent", "engine-up" if up else "engine-down")
        self.up = up

    def _take(self, line: bytes) -> None:
        try:
            found: dict[str, Any] = json.loads(line)
            at = (found.get("timeNano") or found["time"] * 10**9) / 1e9
            actor = found.get("Actor") or {}
            key: Key = (at, found["Type"], found["Action"], actor.get("ID") or found.get("id") or "")
        except (ValueError, KeyError, TypeError, AttributeError):
            return
        if key not in self._known:
            self._known.append(key)
            self._since = at
            self._journal.add(*key[1:], attributes=actor.get("Attributes"), at=at)


async def _lines(reader: Reader) -> AsyncIterator[bytes]:
    pending = b""
    async for piece in reader.rest():
        *whole, pending = (pending + piece).split(b"\n")
        for line in filter(None, whole):
            yield line
        if len(pending) > _LINE_LIMIT:
            raise EngineAway("the engine's events are no lines")
