"""`/ws/stats`: CPU, memory, network and disk of a container or a host, about once a second."""

from __future__ import annotations

from collections import deque

from apps.containers.models import Container
from apps.containers.streams import stats_watch, stream_end_reason
from apps.core.errors import Problem
from apps.drivers.base import EngineError, StatsSample
from apps.environments.actor import Actor
from apps.hosts.models import Host
from apps.hosts.selectors import driver_of
from apps.hosts.stats.live import (
    MAX_RECENT_SAMPLES,
    FeedEnd,
    StatsListener,
    StatsSubscription,
    points,
    watch_host,
)
from apps.realtime import targets
from apps.realtime.base_socket import BaseSocket, run_in_thread
from apps.realtime.threadsafe_event import ThreadsafeEvent

StatsTarget = Container | Host


def watch_stats(row: StatsTarget, listener: StatsListener) -> StatsSubscription:
    """Subscribe to the statistics of a row; a failure is reported as the end of the feed."""
    try:
        if isinstance(row, Container):
            return stats_watch(row, listener)
        return watch_host(row.pk, driver_of(row), listener)
    except (EngineError, Problem) as error:
        listener(FeedEnd(str(error)))
        return StatsSubscription(None, listener)


def end_reason(row: StatsTarget) -> str:
    """Why a feed that did not fail ended."""
    return stream_end_reason(row)[0] if isinstance(row, Container) else "The engine stopped sending statistics."


class StatsSocket(BaseSocket):
    """`/ws/stats?container=` or `?host=`: points; the first frame holds those of the last two minutes."""

    verb = "stats"
    permission = "view"

    row: StatsTarget

    def resolve_target(self, actor: Actor) -> int:
        """The container or host, through the query or the ticket."""
        kind, key = targets.requested_target(self.credentials, self.scope["query"], "container", "host")
        self.row = targets.get_container(actor, key) if kind == "container" else targets.get_host(actor, key)
        return self.row.environment_id

    async def begin(self) -> None:
        """Join the feed and send the recent points."""
        self._data_ready = ThreadsafeEvent()
        self._samples: deque[StatsSample] = deque(maxlen=MAX_RECENT_SAMPLES)
        self._end_reason: str | None = None
        viewer = await run_in_thread(watch_stats, self.row, self._on_sample)
        self.add_close_callback(viewer.close)
        self._previous = viewer.recent[-1:]
        await self.send_json({"type": "points", "points": list(points(viewer.recent))})
        self.spawn(self._send_points())

    def _on_sample(self, item: StatsSample | FeedEnd) -> None:
        if isinstance(item, FeedEnd):
            self._end_reason = item.reason
        else:
            self._samples.append(item)
        self._data_ready.set()

    async def _send_points(self) -> None:
        while not self.ended:
            await self._data_ready.wait()
            is_last = self._end_reason is not None
            samples = [self._samples.popleft() for _ in range(len(self._samples))]
            if new_points := list(points(self._previous + samples)):
                await self.send_json({"type": "points", "points": new_points})
            self._previous = (self._previous + samples)[-1:]
            if is_last:
                reason = str(self._end_reason or await run_in_thread(end_reason, self.row))
                await self.send_json({"type": "end", "reason": reason})
                await self.end(1000, reason)
