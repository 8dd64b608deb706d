"""Logs: a container's output, line by line, to the console and to v1 clients."""

from __future__ import annotations

import asyncio
from typing import Any

from apps.containers.models import Container
from apps.containers.streams import logs_open, why_ended
from apps.drivers.base import LogLine, Stream
from apps.environments.access import Actor
from apps.realtime import targets
from apps.realtime.bell import Bell
from apps.realtime.lines import Lines
from apps.realtime.reader import Reader
from apps.realtime.socket import GONE, Socket, in_thread

_PAUSE = 0.05
_V1_CHANNELS = {"stdout": "01", "stderr": "02", "tty": "00"}


class LogsSocket(Socket):
    """`/ws/logs?container=&tail=&since=`: batches of lines; a browser that is too slow misses the oldest of them."""

    verb = "logs"
    permission = "logs"
    default_tail = 500

    row: Container

    def aim(self, actor: Actor) -> int:
        """The container, through the query or the ticket."""
        _kind, key = targets.wanted(self.caller, self.scope["query"], "container")
        self.row = targets.container(actor, key)
        return self.row.environment_id

    def options(self) -> dict[str, Any]:
        """Which lines: from the ticket, else from the query; a tail that is no number counts as the default."""
        query = self.scope["query"]
        asked = self.caller.ticket.details if self.caller.ticket else {}
        tail = str(asked.get("tail", query.get("tail", "")))
        return {
            "tail": int(tail) if tail.isdecimal() and len(tail) < 9 else self.default_tail,
            "since": str(asked.get("since") or query.get("since", "")),
            "follow": asked.get("follow") is not False,
        }

    async def begin(self) -> None:
        """Start the reading thread and the sender."""
        options = self.options()
        self.bell = Bell()
        self.lines = Lines(patient=not options["follow"])
        self.last: str | None = None
        reader = Reader(f"logs-{self.row.pk}", lambda: self._open(options), self._take, self._done)
        self.hold(reader.close)
        self.hold(self.lines.close)
        self.spawn(self._send_batches())
        reader.start()

    def _open(self, options: dict[str, Any]) -> Stream[LogLine]:
        return logs_open(self.row, **options)

    def _take(self, line: LogLine) -> None:
        self.lines.put(line)
        self.bell.ring()

    def _done(self, reason: str) -> None:
        self.last = reason
        self.bell.ring()

    async def _send_batches(self) -> None:
        while not self.ended:
            await self.bell.wait()
            is_last = self.last is not None
            while not self.ended and (batch := self.lines.take()) != (0, []):
                await self.lines_out(*batch)
            if is_last:
                await self._finish()
                return
            await asyncio.sleep(_PAUSE)

    async def _finish(self) -> None:
        reason, is_gone = (self.last, False) if self.last else await in_thread(why_ended, self.row)
        await self.last_words(str(reason))
        await self.end(GONE if is_gone else 1000, str(reason))

    async def lines_out(self, skipped: int, lines: list[LogLine]) -> None:
        """Send a batch, after a note of what is missing before it."""
        rows = [(line.stream, line.at, line.text) for line in lines]
        if skipped:
            rows.insert(0, ("note", "", f"… {skipped} lines skipped"))  # type: ignore[arg-type]
        await self.say({"type": "lines", "lines": rows})

    async def last_words(self, reason: str) -> None:
        """Say why nothing more will come."""
        await self.say({"type": "end", "reason": reason})


class V1LogsSocket(LogsSocket):
    """`/v1/logs/?token=`: one text frame a line, `01 <time> <line>`; see the v1 contract, section 6.2."""

    ping_every = 0
    default_tail = 100

    async def lines_out(self, skipped: int, lines: list[LogLine]) -> None:
        """Send the lines one by one."""
        if skipped:
            await self.put(text_data=f"00 … {skipped} lines skipped")
        for line in lines:
            await self.put(text_data=f"{_V1_CHANNELS[line.stream]} {line.at} {line.text}")

    async def last_words(self, reason: str) -> None:
        """Nothing: v1 clients print every frame."""
