"""Logs of a container, line by line, for the console and for v1 clients."""

from __future__ import annotations

import asyncio
from typing import Any

from apps.containers.models import Container
from apps.containers.streams import logs_open, stream_end_reason
from apps.core.plurals import counted
from apps.drivers.base import LogLine, Stream
from apps.environments.actor import Actor
from apps.realtime import targets
from apps.realtime.base_socket import GONE, BaseSocket, run_in_thread
from apps.realtime.log_buffer import LogBuffer
from apps.realtime.stream_reader import EngineStreamReader
from apps.realtime.threadsafe_event import ThreadsafeEvent

_BATCH_INTERVAL = 0.05
_V1_CHANNELS = {"stdout": "01", "stderr": "02", "tty": "00"}


class LogsSocket(BaseSocket):
    """`/ws/logs?container=&tail=&since=`: batches of lines; a slow browser misses the oldest ones."""

    verb = "logs"
    permission = "logs"
    default_tail = 500

    row: Container

    def resolve_target(self, actor: Actor) -> int:
        """The container, through the query or the ticket."""
        _kind, key = targets.requested_target(self.credentials, self.scope["query"], "container")
        self.row = targets.get_container(actor, key)
        return self.row.environment_id

    def options(self) -> dict[str, Any]:
        """Which lines to send: from the ticket, else from the query; a tail that is not a number means the default."""
        query = self.scope["query"]
        details = self.credentials.ticket.details if self.credentials.ticket else {}
        tail = str(details.get("tail", query.get("tail", "")))
        return {
            "tail": int(tail) if tail.isdecimal() and len(tail) < 9 else self.default_tail,
            "since": str(details.get("since") or query.get("since", "")),
            "follow": details.get("follow") is not False,
        }

    async def begin(self) -> None:
        """Start the reading thread and the sender."""
        options = self.options()
        self.follows = bool(options["follow"])
        self.data_ready = ThreadsafeEvent()
        self.lines = LogBuffer(block_when_full=not options["follow"])
        self.end_reason: str | None = None
        reader = EngineStreamReader(f"logs-{self.row.pk}", lambda: self._open(options), self._on_line, self._on_end)
        self.add_close_callback(reader.close)
        self.add_close_callback(self.lines.close)
        self.spawn(self._send_batches())
        reader.start()

    def _open(self, options: dict[str, Any]) -> Stream[LogLine]:
        return logs_open(self.row, **options)

    def _on_line(self, line: LogLine) -> None:
        self.lines.put(line)
        self.data_ready.set()

    def _on_end(self, reason: str) -> None:
        self.end_reason = reason
        self.data_ready.set()

    async def _send_batches(self) -> None:
        while not self.ended:
            await self.data_ready.wait()
            is_last = self.end_reason is not None
            while not self.ended and (batch := self.lines.take()) != (0, []):
                await self.send_lines(*batch)
            if is_last:
                await self._finish()
                return
            await asyncio.sleep(_BATCH_INTERVAL)

    async def _finish(self) -> None:
        reason, removal_requested = self.end_reason, False
        if not reason and self.follows:  # what was there has been sent, and nobody waits for more
            reason, removal_requested = await run_in_thread(stream_end_reason, self.row)
        await self.send_end(reason or "")
        await self.end(GONE if removal_requested else 1000, reason or "")

    async def send_lines(self, skipped: int, lines: list[LogLine]) -> None:
        """Send a batch, after a note of what is missing before it."""
        rows = [(line.stream, line.at, line.text) for line in lines]
        if skipped:
            rows.insert(0, ("note", "", f"… {counted(skipped, 'line')} skipped"))  # type: ignore[arg-type]
        await self.send_json({"type": "lines", "lines": rows})

    async def send_end(self, reason: str) -> None:
        """Say why the output ended."""
        await self.send_json({"type": "end", "reason": reason})


class V1LogsSocket(LogsSocket):
    """`/v1/logs/?token=`: one text frame a line, `01 <time> <line>`; see the v1 contract, section 6.2."""

    ping_interval = 0
    default_tail = 100

    async def send_lines(self, skipped: int, lines: list[LogLine]) -> None:
        """Send the lines one by one."""
        if skipped:
            await self.put(text_data=f"00 … {counted(skipped, 'line')} skipped")
        for line in lines:
            await self.put(text_data=f"{_V1_CHANNELS[line.stream]} {line.at} {line.text}")

    async def send_end(self, reason: str) -> None:
        """Nothing: v1 clients print every frame."""
