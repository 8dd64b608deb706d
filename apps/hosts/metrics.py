"""Live statistics: one engine stream however many watch, kept for as long as anybody does."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from apps.drivers.base import Driver, EngineError, StatsSample, Stream

KEEP = 120

Listener = Callable[[dict[str, float]], None]


def rates(before: StatsSample, now: StatsSample) -> dict[str, float]:
    """What a chart shows of two samples: CPU in percent of the machine, memory in bytes, the rest in bytes a second."""
    span = max(now.at - before.at, 0.001)
    per_second = {
        name: max(0.0, (getattr(now, name) - getattr(before, name)) / span)
        for name in ("net_rx", "net_tx", "disk_read", "disk_write")
    }
    cpu = 100.0 * max(0, now.cpu_ns - before.cpu_ns) / (span * 1e9 * max(now.cpus, 1))
    return {
        "at": now.at,
        "cpu": round(min(cpu, 100.0), 2),
        "memory": float(now.memory),
        "memory_limit": float(now.memory_limit),
        **{name: round(value, 1) for name, value in per_second.items()},
    }


class Feed:
    """One engine statistics stream and its listeners; the last two minutes are kept for late-comers."""

    def __init__(self, key: Any, open_stream: Callable[[], Stream[StatsSample]]) -> None:
        self.key = key
        self.recent: deque[dict[str, float]] = deque(maxlen=KEEP)
        self._open = open_stream
        self._listeners: list[Listener] = []
        self._lock = threading.Lock()
        self._stream: Stream[StatsSample] | None = None

    def join(self, listener: Listener) -> list[dict[str, float]]:
        """Listen from now on; returns what was kept."""
        with self._lock:
            self._listeners.append(listener)
            if len(self._listeners) == 1:
                threading.Thread(target=self._run, name=f"stats-{self.key}", daemon=True).start()
            return list(self.recent)

    def leave(self, listener: Listener) -> bool:
        """Stop listening; True when nobody is left and the stream was closed."""
        with self._lock:
            with contextlib.suppress(ValueError):
                self._listeners.remove(listener)
            if self._listeners:
                return False
            if self._stream is not None:
                self._stream.close()
            return True

    def _run(self) -> None:
        before: StatsSample | None = None
        try:
            self._stream = self._open()
            for sample in self._stream:
                if before is not None:
                    self._tell(rates(before, sample))
                before = sample
                if not self._listeners:
                    break
        except EngineError as error:
            self._tell({"error": 1.0, "at": 0.0, "message": str(error)})  # type: ignore[dict-item]

    def _tell(self, point: dict[str, float]) -> None:
        if "error" not in point:
            self.recent.append(point)
        for listener in list(self._listeners):
            listener(point)


_feeds: dict[Any, Feed] = {}
_feeds_lock = threading.Lock()


def host_feed(host_id: int, engine: Driver) -> Feed:
    """The feed of a whole machine."""
    return _feed(("host", host_id), engine.host_stats)


def container_feed(container_id: int, engine: Driver, engine_container: str) -> Feed:
    """The feed of one container."""
    return _feed(("container", container_id, engine_container), lambda: engine.stats(engine_container))


def _feed(key: Any, open_stream: Callable[[], Stream[StatsSample]]) -> Feed:
    with _feeds_lock:
        if key not in _feeds:
            _feeds[key] = Feed(key, open_stream)
        return _feeds[key]


def let_go(feed: Feed, listener: Listener) -> None:
    """Leave a feed and forget it when nobody listens any more."""
    with _feeds_lock:
        if feed.leave(listener):
            _feeds.pop(feed.key, None)
