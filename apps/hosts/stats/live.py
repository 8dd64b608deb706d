"""Live statistics: one engine stream, however many watch, open for as long as anybody does."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TypedDict

from apps.drivers.base import (
    Driver,
    EngineError,
    StatsSample,
    Stream,
)

log = logging.getLogger(__name__)

MAX_RECENT_SAMPLES = 121


class StatsPoint(TypedDict):
    """What a chart shows at unix time `at`: CPU in percent of the machine, memory in bytes, the rest bytes a second."""

    at: float
    cpu: float
    memory: float
    memory_limit: float
    net_rx: float
    net_tx: float
    disk_read: float
    disk_write: float


@dataclass(frozen=True, slots=True)
class FeedEnd:
    """No more samples will come; `reason` is fit to show, empty when the stream just ended."""

    reason: str


StatsListener = Callable[[StatsSample | FeedEnd], None]
FeedKey = tuple[str, int, str]


def point_between(before: StatsSample, now: StatsSample) -> StatsPoint:
    """The point between two samples; counters that went backwards (a restart) count as zero."""
    span = max(now.at - before.at, 0.001)
    cpu = 100.0 * max(0, now.cpu_ns - before.cpu_ns) / (span * 1e9 * max(now.cpus, 1))
    return {
        "at": now.at,
        "cpu": round(min(cpu, 100.0), 2),
        "memory": float(now.memory),
        "memory_limit": float(now.memory_limit),
        "net_rx": _per_second(before.net_rx, now.net_rx, span),
        "net_tx": _per_second(before.net_tx, now.net_tx, span),
        "disk_read": _per_second(before.disk_read, now.disk_read, span),
        "disk_write": _per_second(before.disk_write, now.disk_write, span),
    }


def _per_second(before: int, now: int, span: float) -> float:
    return round(max(0, now - before) / span, 1)


def points(samples: Iterable[StatsSample]) -> Iterator[StatsPoint]:
    """The points between samples: one fewer than there are samples."""
    return (point_between(before, now) for before, now in pairwise(samples))


class _Feed:
    """One engine stream and its listeners; the last two minutes are kept for listeners that join later."""

    def __init__(self, key: FeedKey, open_stream: Callable[[], Stream[StatsSample]]) -> None:
        self.key = key
        self.recent: deque[StatsSample] = deque(maxlen=MAX_RECENT_SAMPLES)
        self.listeners: list[StatsListener] = []
        self.stream: Stream[StatsSample] | None = None
        self._open = open_stream

    def run(self) -> None:
        reason = ""
        try:
            self._read(self._open())
        except EngineError as error:
            reason = str(error)
        except Exception:  # viewers must learn of it, whatever it was
            log.exception("statistics of %s", self.key)
            reason = "The statistics broke; the portal's log says more."
        finally:
            if self.stream is not None:
                self.stream.close()
            for listener in self._finish():
                listener(FeedEnd(reason))

    def _read(self, stream: Stream[StatsSample]) -> None:
        with _lock:
            self.stream = stream
            if not self.listeners:
                return
        for sample in stream:
            with _lock:
                self.recent.append(sample)
                listeners = list(self.listeners)
            if not listeners:
                return
            for listener in listeners:
                listener(sample)

    def _finish(self) -> list[StatsListener]:
        with _lock:
            if _feeds.get(self.key) is self:
                del _feeds[self.key]
            left, self.listeners = self.listeners, []
        return left


class StatsSubscription:
    """One listener's subscription to a feed (None: to nothing); `recent` is what came before it joined."""

    def __init__(self, feed: _Feed | None, listener: StatsListener) -> None:
        self.recent = list(feed.recent) if feed else []
        self._feed = feed
        self._listener = listener

    def close(self) -> None:
        """Stop listening; the last subscription to end closes the engine stream."""
        feed = self._feed
        if feed is None:
            return
        with _lock:
            if self._listener in feed.listeners:
                feed.listeners.remove(self._listener)
            if feed.listeners:
                return
            if _feeds.get(feed.key) is feed:
                del _feeds[feed.key]
            stream = feed.stream
        if stream is not None:
            stream.close()


_feeds: dict[FeedKey, _Feed] = {}
_lock = threading.Lock()


def watch_host(host_id: int, engine: Driver, listener: StatsListener) -> StatsSubscription:
    """Listen to a whole machine; `listener` is called from the feed's thread and must not block."""
    return _subscribe(("host", host_id, ""), engine.host_stats, listener)


def watch_container(
    container_id: int, engine: Driver, engine_container: str, listener: StatsListener
) -> StatsSubscription:
    """Listen to one container; `listener` is called from the feed's thread and must not block."""
    return _subscribe(("container", container_id, engine_container), lambda: engine.stats(engine_container), listener)


def _subscribe(
    key: FeedKey, open_stream: Callable[[], Stream[StatsSample]], listener: StatsListener
) -> StatsSubscription:
    with _lock:
        feed = _feeds.get(key)
        is_new = feed is None
        if feed is None:
            feed = _feeds[key] = _Feed(key, open_stream)
        feed.listeners.append(listener)
        subscription = StatsSubscription(feed, listener)
    if is_new:
        threading.Thread(target=feed.run, name=f"stats-{key[0]}-{key[1]}", daemon=True).start()
    return subscription
