"""Streams of a simulated engine: events, logs, statistics and image archives."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator

from apps.drivers.base import EngineDown, EngineEvent, LogLine, StatsSample, StreamName
from apps.drivers.docker.timestamps import to_nanoseconds, to_rfc3339
from simulated_engine.container import SimulatedContainer
from simulated_engine.events import EventBus, SimulatedEvent
from simulated_engine.logs import LogCursor, LogRecord


class EventStream:
    """The engine's events, from `since` (unix seconds) or from now on."""

    def __init__(self, events: EventBus, since: float | None) -> None:
        self._queue: queue.SimpleQueue[SimulatedEvent | None] = queue.SimpleQueue()
        # What is past is kept beside the queue: a new event may be queued before the past could be.
        recent, self._unsubscribe = events.subscribe(self._queue.put)
        self._past = [] if since is None else [event for event in recent if event.at / 1e9 >= since]

    def __iter__(self) -> Iterator[EngineEvent]:
        try:
            yield from map(_to_engine_event, self._past)
            while (event := self._queue.get()) is not None:
                yield _to_engine_event(event)
        finally:
            self._unsubscribe()

    def close(self) -> None:
        """End the iteration, whichever thread it is in."""
        self._unsubscribe()
        self._queue.put(None)


def _to_engine_event(event: SimulatedEvent) -> EngineEvent:
    return EngineEvent(event.at / 1e9, event.kind, event.action, event.id, event.attributes)


class LogStream:
    """A container's log: what is there, then what comes until the process ends that runs now."""

    def __init__(
        self,
        container: SimulatedContainer,
        lock: threading.RLock,
        *,
        follow: bool,
        tail: int | None,
        since: str,
        until: str = "",
    ) -> None:
        self._container, self._lock, self._follow = container, lock, follow
        self._after = to_nanoseconds(since) if since else -1
        self._before = to_nanoseconds(until) if until else None
        self._cursor, self._run = LogCursor(container.log, tail), container.run
        self._activity = threading.Event()
        self._closed = False

    def __iter__(self) -> Iterator[LogLine]:
        with self._lock:
            unsubscribe = self._container.subscribe(self._activity.set)
        try:
            while not self._closed:
                records, is_last = self._take()
                yield from (self._to_line(record) for record in records if self._is_wanted(record.at))
                if is_last:
                    return
                if not records:
                    self._activity.wait()
        finally:
            with self._lock:
                unsubscribe()

    def _is_wanted(self, at: int) -> bool:
        return at > self._after and (self._before is None or at < self._before)

    def _take(self) -> tuple[list[LogRecord], bool]:
        """New lines, and whether no more can come: read together, or the last words of a process would be lost."""
        with self._lock:
            self._activity.clear()
            return self._cursor.take(), not self._follow or self._container.has_ended(self._run)

    def _to_line(self, record: LogRecord) -> LogLine:
        stream: StreamName = "tty" if self._container.tty else "stderr" if record.stream == "stderr" else "stdout"
        return LogLine(stream, to_rfc3339(record.at), record.text)

    def close(self) -> None:
        """End the iteration, whichever thread it is in."""
        self._closed = True
        self._activity.set()


class StatsStream:
    """A sample at every tick until `is_over`."""

    def __init__(self, take: Callable[[], StatsSample], is_over: Callable[[], bool], tick: float) -> None:
        self._take, self._is_over, self._tick = take, is_over, tick
        self._closed = threading.Event()

    def __iter__(self) -> Iterator[StatsSample]:
        while not self._closed.is_set() and not self._is_over():
            yield self._take()
            self._closed.wait(self._tick)

    def close(self) -> None:
        """End the iteration, whichever thread it is in."""
        self._closed.set()


class SimulatedArchive:
    """An image's archive, for as long as its engine is up."""

    def __init__(self, pieces: Iterator[bytes], is_down: Callable[[], bool]) -> None:
        self._pieces, self._is_down = pieces, is_down
        self._closed = False

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces:
            if self._closed:
                return
            if self._is_down():
                raise EngineDown("The simulated engine is down.")
            yield piece

    def close(self) -> None:
        """End the iteration."""
        self._closed = True


class ArchiveReader:
    """Pieces of an archive as a file that is read once. Raises `EngineDown` when the engine goes down meanwhile."""

    def __init__(self, pieces: Iterator[bytes], is_down: Callable[[], bool]) -> None:
        self._pieces, self._is_down = pieces, is_down
        self._buffer = b""

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes, b"" at the end."""
        while not self._buffer and (piece := next(self._pieces, None)) is not None:
            if self._is_down():
                raise EngineDown("The simulated engine is down.")
            self._buffer = piece
        found, self._buffer = self._buffer[:size], self._buffer[size:]
        return found
