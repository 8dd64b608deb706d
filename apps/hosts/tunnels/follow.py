"""What a tunnel does all the time: ask who is there, catch up with the journal, and follow the engine's events."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from apps.control.wake import send
from apps.drivers.docker_streams import EVENTS
from apps.drivers.docker_values import event as event_of
from apps.hosts import watch
from apps.hosts.models import Host
from apps.hosts.tunnels import journal
from apps.hosts.tunnels.http import NoAnswer, get, get_json
from apps.hosts.tunnels.work import in_thread

if TYPE_CHECKING:
    from asyncssh import SSHClientConnection

log = logging.getLogger(__name__)

SETTLE = 1.0
CATCH_UP_EVERY = 60.0
_PAGE = 1000
_PAUSES = (0.5, 1.0, 2.0, 5.0)


class Follower:
    """One host's events, for as long as its tunnel is up."""

    def __init__(self, host_id: int, connection: SSHClientConnection) -> None:
        self.host_id = host_id
        self._connection = connection
        self._news = asyncio.Event()
        self._read: int | None = None  # up to where the journal was read; the row says it too

    async def greet(self) -> None:
        """Ask the agent for its clock and version; raises as `get_json`."""
        asked = time.time()
        hello = await get_json(self._connection, "/corral/v1/hello")
        now = time.time()
        await in_thread(_greeted, self.host_id, hello, float(hello.get("clock") or now) - (asked + now) / 2)

    async def run(self) -> None:
        """Follow until the line breaks; an engine that is away is tried again and again."""
        import asyncssh

        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._keep_journal())
                tasks.create_task(self._keep_following())
        except* (asyncssh.Error, OSError) as broken:
            log.info("the line to host %s broke: %s", self.host_id, broken.exceptions[0])

    async def _keep_following(self) -> None:
        tries = 0
        while True:
            try:
                query = urlencode({"filters": json.dumps(EVENTS)})
                answer = await get(self._connection, f"/events?{query}")
                tries = 0
                await in_thread(send, "host", self.host_id)
                async for found in answer.objects():
                    self._news.set()
                    await in_thread(_handle, self.host_id, found)
            except (NoAnswer, TimeoutError) as error:
                log.info("events of host %s: %s", self.host_id, error)
            self._news.set()
            await in_thread(send, "host", self.host_id)  # a stream that ends says nothing: look
            await asyncio.sleep(_PAUSES[min(tries, len(_PAUSES) - 1)])
            tries += 1

    async def _keep_journal(self) -> None:
        while True:
            await self._catch_up()
            try:
                async with asyncio.timeout(CATCH_UP_EVERY):
                    await self._news.wait()
                await asyncio.sleep(SETTLE)
            except TimeoutError:
                pass
            self._news.clear()

    async def _catch_up(self) -> None:
        after = await in_thread(_read_up_to, self.host_id) if self._read is None else self._read
        more = True
        try:
            while more:
                found = await get_json(self._connection, f"/corral/v1/journal?after={after}&limit={_PAGE}")
                more = not journal.is_at_end(found, after)
                if more:  # seldom: else the database is left in peace
                    after, more = await in_thread(journal.keep, self.host_id, found)
                self._read = after
        except (NoAnswer, TimeoutError, KeyError, TypeError, ValueError) as error:
            log.warning("journal of host %s: %r", self.host_id, error)


def _greeted(host_id: int, hello: dict[str, Any], skew: float) -> None:
    rows = Host.all_objects.filter(pk=host_id)
    known = rows.values_list("agent", flat=True).get()
    told = {"version": str(hello.get("agent", ""))[:32], "readOnly": hello.get("readOnly") is True}
    rows.update(agent={**known, **told}, skew=round(skew, 3))


def _read_up_to(host_id: int) -> int:
    found: int = Host.all_objects.values_list("journal_seq", flat=True).get(pk=host_id)
    return found


def _handle(host_id: int, found: dict[str, Any]) -> None:
    watch.tell(host_id, event_of(found))
