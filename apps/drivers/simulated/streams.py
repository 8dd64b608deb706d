"""Streams of a simulated engine: its events, a container's log, and statistics by the clock."""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator

from apps.drivers.base import EngineEvent, LogLine, StatsSample
from apps.drivers.docker.timestamps import to_nanoseconds
from apps.drivers.simulated.container import SimulatedContainer

_MAX_RECENT_EVENTS = 256
StopCheck = Callable[[], bool]


class EventBus:
    """The engine's event bus; like a real one it remembers the last 256."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._recent: deque[EngineEvent] = deque(maxlen=_MAX_RECENT_EVENTS)
        self._subscriptions: set[EventSubscription] = set()

    def notify(self, event: EngineEvent) -> None:
        """Hand an event to everybody who follows."""
        with self._lock:
            self._recent.append(event)
            subscriptions = list(self._subscriptions)
        for subscription in subscriptions:
            subscription.put(event)

    def follow(self, since: float | None) -> EventSubscription:
        """A stream from `since` or from now on."""
        stream = EventSubscription(self)
        with self._lock:
            for event in self._recent:
                if since is not None and event.at >= since:
                    stream.put(event)
            self._subscriptions.add(stream)
        return stream

    def unsubscribe(self, stream: EventSubscription) -> None:
        """No more events for this one."""
        with self._lock:
            self._subscriptions.discard(stream)

    def end(self) -> None:
        """End every stream, as an engine that goes down does."""
        with self._lock:
            subscriptions = list(self._subscriptions)
        for subscription in subscriptions:
            subscription.close()


class EventSubscription:
    """One follower of the event bus."""

    def __init__(self, event_bus: EventBus) -> None:
        self._event_bus = event_bus
        self._queue: queue.SimpleQueue[EngineEvent | None] = queue.SimpleQueue()

    def put(self, event: EngineEvent) -> None:
        """Add an event."""
        self._queue.put(event)

    def __iter__(self) -> Iterator[EngineEvent]:
        try:
            while (event := self._queue.get()) is not None:
                yield event
        finally:
            self._event_bus.unsubscribe(self)

    def close(self) -> None:
        """End the iteration, whichever thread it is in."""
        self._event_bus.unsubscribe(self)
        self._queue.put(None)


class LogStream:
    """A container's log: what is there, then what comes until the container ends."""

    def __init__(
        self,
        container: SimulatedContainer,
        activity: threading.Condition,
        stopped: StopCheck,
        *,
        follow: bool,
        tail: int | None,
        since: str,
    ) -> None:
        self._container, self._activity, self._stopped = container, activity, stopped
        self._follow = follow and container.running
        self._after = to_nanoseconds(since) if since else -1
        self._next = container.line_count - (
            len(container.lines) if tail is None else min(max(tail, 0), len(container.lines))
        )
        self._closed = False

    def __iter__(self) -> Iterator[LogLine]:
        while not self._closed:
            with self._activity:
                new_lines = self._take()
                if not new_lines:
                    if not self._follow or self._stopped():
                        return
                    self._activity.wait(0.5)
            yield from (line for line in new_lines if to_nanoseconds(line.at) > self._after)

    def _take(self) -> list[LogLine]:
        pending_count = min(self._container.line_count - self._next, len(self._container.lines))
        self._next = self._container.line_count
        return self._container.lines[-pending_count:] if pending_count else []

    def close(self) -> None:
        """End the iteration, whichever thread it is in."""
        self._closed = True
        with self._activity:
            self._follow = False
            self._activity.notify_all()


class StatsStream:
    """A sample at every tick for as long as there is something to count."""

    def __init__(self, take: Callable[[], StatsSample], stopped: StopCheck, tick: float) -> None:
        self._take, self._stopped, self._tick = take, stopped, tick
        self._closed = threading.Event()

    def __iter__(self) -> Iterator[StatsSample]:
        while not self._closed.is_set() and not self._stopped():
            yield self._take()
            self._closed.wait(self._tick)

    def close(self) -> None:
        """End the iteration, whichever thread it is in."""
        self._closed.set()


def sample_container(container: SimulatedContainer, memory_limit: int) -> StatsSample:
    """Plausible counters: each container has a steady appetite of its own, told by its id."""
    load_factor = 1 + int(container.id[:2], 16) % 20
    age = max(0.0, time.time() - container.started_at / 1e9) if container.running else 0.0
    busy = int(age * load_factor * 5_000_000)
    limit = int(container.config.get("Memory") or memory_limit)
    return StatsSample(
        at=time.time(),
        cpu_ns=busy,
        cpus=4,
        memory=min(limit, load_factor * 4 * 1024 * 1024) if container.running else 0,
        memory_limit=limit,
        net_rx=int(age * load_factor * 900),
        net_tx=int(age * load_factor * 1300),
        disk_read=load_factor * 65536,
        disk_write=int(age * load_factor * 100),
        pids=load_factor,
    )
