"""Streams of a simulated engine: its events, a container's log, and statistics by the clock."""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator

from apps.drivers.base import EngineEvent, LogLine, StatsSample
from apps.drivers.docker_time import nanoseconds_of
from apps.drivers.simulated_values import Box

_KEPT_EVENTS = 256
Over = Callable[[], bool]


class Hub:
    """The engine's event bus; like a real one it remembers the last 256."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: deque[EngineEvent] = deque(maxlen=_KEPT_EVENTS)
        self._followers: set[EventStream] = set()

    def tell(self, event: EngineEvent) -> None:
        """Hand an event to everybody who follows."""
        with self._lock:
            self._kept.append(event)
            followers = list(self._followers)
        for follower in followers:
            follower.put(event)

    def follow(self, since: float | None) -> EventStream:
        """A stream from `since` or from now on."""
        stream = EventStream(self)
        with self._lock:
            for event in self._kept:
                if since is not None and event.at >= since:
                    stream.put(event)
            self._followers.add(stream)
        return stream

    def leave(self, stream: EventStream) -> None:
        """No more events for this one."""
        with self._lock:
            self._followers.discard(stream)

    def end(self) -> None:
        """End every stream, as an engine that goes down does."""
        with self._lock:
            followers = list(self._followers)
        for follower in followers:
            follower.close()


class EventStream:
    """One follower of the event bus."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._queue: queue.SimpleQueue[EngineEvent | None] = queue.SimpleQueue()

    def put(self, event: EngineEvent) -> None:
        """Add an event."""
        self._queue.put(event)

    def __iter__(self) -> Iterator[EngineEvent]:
        try:
            while (event := self._queue.get()) is not None:
                yield event
        finally:
            self._hub.leave(self)

    def close(self) -> None:
        """End the iteration, whichever thread it is in."""
        self._hub.leave(self)
        self._queue.put(None)


class LogStream:
    """A container's log: what is there, then what comes until the container ends."""

    def __init__(
        self,
        box: Box,
        news: threading.Condition,
        over: Over,
        *,
        follow: bool,
        tail: int | None,
        since: str,
    ) -> None:
        self._box, self._news, self._over = box, news, over
        self._follow = follow and box.running
        self._after = nanoseconds_of(since) if since else -1
        self._next = box.said - (len(box.lines) if tail is None else min(max(tail, 0), len(box.lines)))
        self._closed = False

    def __iter__(self) -> Iterator[LogLine]:
        while not self._closed:
            with self._news:
                fresh = self._take()
                if not fresh:
                    if not self._follow or self._over():
                        return
                    self._news.wait(0.5)
            yield from (line for line in fresh if nanoseconds_of(line.at) > self._after)

    def _take(self) -> list[LogLine]:
        missed = min(self._box.said - self._next, len(self._box.lines))
        self._next = self._box.said
        return self._box.lines[-missed:] if missed else []

    def close(self) -> None:
        """End the iteration, whichever thread it is in."""
        self._closed = True
        with self._news:
            self._follow = False
            self._news.notify_all()


class StatsStream:
    """A sample at every tick for as long as there is something to count."""

    def __init__(self, take: Callable[[], StatsSample], over: Over, tick: float) -> None:
        self._take, self._over, self._tick = take, over, tick
        self._closed = threading.Event()

    def __iter__(self) -> Iterator[StatsSample]:
        while not self._closed.is_set() and not self._over():
            yield self._take()
            self._closed.wait(self._tick)

    def close(self) -> None:
        """End the iteration, whichever thread it is in."""
        self._closed.set()


def sample(box: Box, memory_limit: int) -> StatsSample:
    """Plausible counters: each container has a steady appetite of its own, told by its id."""
    appetite = 1 + int(box.id[:2], 16) % 20
    age = max(0.0, time.time() - box.started / 1e9) if box.running else 0.0
    busy = int(age * appetite * 5_000_000)
    limit = int(box.config.get("Memory") or memory_limit)
    return StatsSample(
        at=time.time(),
        cpu_ns=busy,
        cpus=4,
        memory=min(limit, appetite * 4 * 1024 * 1024) if box.running else 0,
        memory_limit=limit,
        net_rx=int(age * appetite * 900),
        net_tx=int(age * appetite * 1300),
        disk_read=appetite * 65536,
        disk_write=int(age * appetite * 100),
        pids=appetite,
    )
