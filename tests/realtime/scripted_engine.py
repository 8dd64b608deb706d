"""An engine controlled by the test: the streaming half of the driver protocol."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import Any

from apps.drivers.base import (
    EngineContainer,
    EngineError,
    LogLine,
    StatsSample,
    StreamName,
)

_END = object()


class ScriptedStream:
    """A stream of what the test feeds it; counts what was read."""

    def __init__(self) -> None:
        self.items: queue.Queue[Any] = queue.Queue()
        self.closed = threading.Event()
        self.read_count = 0

    def feed(self, *items: Any) -> None:
        for item in items:
            self.items.put(item)

    def finish(self, error: EngineError | None = None) -> None:
        self.items.put(error or _END)

    def __iter__(self) -> Iterator[Any]:
        while (item := self.items.get()) is not _END:
            if isinstance(item, EngineError):
                raise item
            self.read_count += 1
            yield item

    def close(self) -> None:
        self.closed.set()
        self.items.put(_END)


class ScriptedSession(ScriptedStream):
    """A shell: `feed` is its output, `got` its input, `sizes` the resizes."""

    def __init__(self) -> None:
        super().__init__()
        self.got = b""
        self.sizes: list[tuple[int, int]] = []
        self.code: int | None = None

    def read(self, size: int = 65536) -> bytes:
        item = self.items.get()
        if item is _END:
            return b""
        if isinstance(item, EngineError):
            raise item
        self.read_count += 1
        return bytes(item)

    def write(self, data: bytes) -> None:
        self.got += data

    def read_stream(self) -> tuple[StreamName, bytes]:
        data = self.read()
        return ("stderr" if data.startswith(b"error") else "stdout"), data

    def end_input(self) -> None:
        self.got += b"<end>"

    def resize(self, columns: int, rows: int) -> None:
        self.sizes.append((columns, rows))

    def exit_code(self) -> int | None:
        return self.code


class ScriptedEngine:
    """The stream half of a driver; `error` is raised by every opening, `state` is what an inspect returns."""

    def __init__(self) -> None:
        self.error: EngineError | None = None
        self.state = "running"
        self.calls: list[Any] = []
        self.stream = ScriptedStream()
        self.session = ScriptedSession()
        self.stats_streams: list[ScriptedStream] = []

    def _record(self, *calls: Any) -> None:
        if self.error:
            raise self.error
        self.calls.append(calls)

    def logs(self, container_id: str, **options: Any) -> ScriptedStream:
        self._record("logs", container_id, options)
        return self.stream

    def exec(self, container_id: str, command: list[str], *, tty: bool = True) -> ScriptedSession:
        self._record("exec", container_id, command, *([] if tty else [False]))
        return self.session

    def stats(self, container_id: str) -> ScriptedStream:
        self._record("stats", container_id)
        self.stats_streams.append(ScriptedStream())
        return self.stats_streams[-1]

    def host_stats(self) -> ScriptedStream:
        return self.stats("host")

    def inspect(self, container_id: str) -> EngineContainer:
        self._record("inspect", container_id)
        return EngineContainer(container_id, "web", "nginx", "", self.state, {}, exit_code=3)


def log_line(number: int) -> LogLine:
    return LogLine("stdout", f"2026-01-01T00:00:00.{number:09d}Z", f"line {number}")


def stats_sample(second: int) -> StatsSample:
    return StatsSample(1000.0 + second, 10**9 * second, 2, 64, 256, 100 * second, 10 * second, 0, 0)
