"""Writes the engine's events into the journal, whether or not the portal is connected."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections import deque
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

from corral_agent.engine import Engine, EngineUnreachable, stream_get
from corral_agent.engine_proxy.streams import MessageReader
from corral_agent.journal import Journal

_RETRY_DELAY = 0.5  # the socket is this machine's own; until events come, nobody hears of containers that start again
_LINE_LIMIT = 1024 * 1024
_MAX_REPLAYED = 256  # as many events as an engine remembers
_OVERLAP = 0.001
_FILTERS = {
    "type": ["container", "image", "network", "volume"],
    "event": [
        *("create", "start", "restart", "stop", "die", "kill", "oom", "pause", "unpause", "rename", "update"),
        *("destroy", "health_status", "pull", "tag", "untag", "delete", "import", "load", "remove"),
    ],
}

EventKey = tuple[float, str, str, str]


class EventWatcher:
    """Follows the engine until cancelled; `engine_up` says whether it answers.

    After a gap the engine replays its latest events, and those that are recorded already are skipped.
    """

    def __init__(self, engine: Engine, journal: Journal) -> None:
        self._engine, self._journal = engine, journal
        recorded = [
            line for line in journal.after(journal.last - _MAX_REPLAYED, _MAX_REPLAYED) if line["kind"] != "agent"
        ]
        keys: list[EventKey] = [(line["at"], line["kind"], line["action"], line["id"]) for line in recorded]
        self._recorded_keys: deque[EventKey] = deque(keys, maxlen=_MAX_REPLAYED)
        self._since = keys[-1][0] if keys else time.time()
        self.engine_up: bool | None = None

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            with contextlib.suppress(EngineUnreachable):
                await self._follow()
            self._set_engine_up(engine_up=False)
            await asyncio.sleep(_RETRY_DELAY)

    async def _follow(self) -> None:
        query = urlencode({"since": f"{self._since - _OVERLAP:.9f}", "filters": json.dumps(_FILTERS)})
        async with stream_get(self._engine, f"/events?{query}") as reader:
            self._set_engine_up(engine_up=True)
            async for line in _lines(reader):
                self._record_event(line)

    def _set_engine_up(self, *, engine_up: bool) -> None:
        if engine_up is not self.engine_up:
            self._journal.add("agent", "engine-up" if engine_up else "engine-down")
        self.engine_up = engine_up

    def _record_event(self, line: bytes) -> None:
        try:
            found: dict[str, Any] = json.loads(line)
            at = (found.get("timeNano") or found["time"] * 10**9) / 1e9
            actor = found.get("Actor") or {}
            key: EventKey = (at, found["Type"], found["Action"], actor.get("ID") or found.get("id") or "")
        except (ValueError, KeyError, TypeError, AttributeError):
            return
        if key not in self._recorded_keys:
            self._recorded_keys.append(key)
            self._since = at
            self._journal.add(*key[1:], attributes=actor.get("Attributes"), at=at)


async def _lines(reader: MessageReader) -> AsyncIterator[bytes]:
    pending = b""
    async for piece in reader.read_to_end():
        *whole, pending = (pending + piece).split(b"\n")
        for line in filter(None, whole):
            yield line
        if len(pending) > _LINE_LIMIT:
            raise EngineUnreachable("the engine's events do not come in lines")
