"""Statistics: CPU, memory, network and disk of a container or a host, about once a second."""

from __future__ import annotations

from collections import deque

from apps.containers.models import Container
from apps.containers.streams import stats_watch, why_ended
from apps.core.errors import Problem
from apps.drivers.base import EngineError, StatsSample
from apps.environments.access import Actor
from apps.hosts.metrics import KEEP, FeedEnd, Listener, Viewer, points, watch_host
from apps.hosts.models import Host
from apps.hosts.selectors import driver_of
from apps.realtime import targets
from apps.realtime.bell import Bell
from apps.realtime.socket import Socket, in_thread

Watched = Container | Host


def watch(row: Watched, listener: Listener) -> Viewer:
    """Listen to the statistics of a row; a failure arrives as the end of the feed."""
    try:
        if isinstance(row, Container):
            return stats_watch(row, listener)
        return watch_host(row.pk, driver_of(row), listener)
    except (EngineError, Problem) as error:
        listener(FeedEnd(str(error)))
        return Viewer(None, listener)


def why(row: Watched) -> str:
    """Why a feed that did not fail ended."""
    return why_ended(row)[0] if isinstance(row, Container) else "The engine stopped sending statistics."


class StatsSocket(Socket):
    """`/ws/stats?container=` or `?host=`: points; the first frame holds those of the last two minutes."""

    verb = "stats"
    permission = "view"

    row: Watched

    def aim(self, actor: Actor) -> int:
        """The container or host, through the query or the ticket."""
        kind, key = targets.wanted(self.caller, self.scope["query"], "container", "host")
        self.row = targets.container(actor, key) if kind == "container" else targets.host(actor, key)
        return self.row.environment_id

    async def begin(self) -> None:
        """Join the feed and send what was there before."""
        self._bell = Bell()
        self._new: deque[StatsSample] = deque(maxlen=KEEP)
        self._last: str | None = None
        viewer = await in_thread(watch, self.row, self._take)
        self.hold(viewer.close)
        self._before = viewer.recent[-1:]
        await self.say({"type": "points", "points": list(points(viewer.recent))})
        self.spawn(self._send_points())

    def _take(self, item: StatsSample | FeedEnd) -> None:
        if isinstance(item, FeedEnd):
            self._last = item.reason
        else:
            self._new.append(item)
        self._bell.ring()

    async def _send_points(self) -> None:
        while not self.ended:
            await self._bell.wait()
            is_last = self._last is not None
            samples = [self._new.popleft() for _ in range(len(self._new))]
            if fresh := list(points(self._before + samples)):
                await self.say({"type": "points", "points": fresh})
            self._before = (self._before + samples)[-1:]
            if is_last:
                reason = str(self._last or await in_thread(why, self.row))
                await self.say({"type": "end", "reason": reason})
                await self.end(1000, reason)
