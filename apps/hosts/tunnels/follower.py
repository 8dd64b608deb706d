"""What runs while a tunnel is up: the handshake, catching up with the journal, and following the engine's events."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from apps.control.queue import enqueue
from apps.drivers.docker.parsing import parse_event as event_of
from apps.drivers.docker.streams import EVENT_FILTERS
from apps.hosts.models import Host
from apps.hosts.tunnels import journal
from apps.hosts.tunnels.agent_http import AgentResponseError, get, get_json
from apps.hosts.tunnels.threads import run_in_thread
from apps.hosts.workloads import workloads

if TYPE_CHECKING:
    from asyncssh import SSHClientConnection

log = logging.getLogger(__name__)

DEBOUNCE_SECONDS = 1.0
CATCH_UP_EVERY = 60.0
_PAGE_SIZE = 1000
_RETRY_DELAYS = (0.5, 1.0, 2.0, 5.0)


class HostFollower:
    """One host's events, for as long as its tunnel is up."""

    def __init__(self, host_id: int, connection: SSHClientConnection) -> None:
        self.host_id = host_id
        self._connection = connection
        self._journal_changed = asyncio.Event()
        self._position: int | None = None  # up to where the journal was read; also stored on the row

    async def handshake(self) -> None:
        """Ask the agent for its clock and version. Raises as `get_json`."""
        sent_at = time.time()
        hello = await get_json(self._connection, "/corral/v1/hello")
        now = time.time()
        await run_in_thread(
            _store_agent_info, self.host_id, hello, float(hello.get("clock") or now) - (sent_at + now) / 2
        )

    async def run(self) -> None:
        """Follow until the connection breaks; an engine that is away is retried for ever."""
        import asyncssh

        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._sync_journal())
                tasks.create_task(self._follow_events())
        except* (asyncssh.Error, OSError) as broken:
            log.info("the connection to host %s broke: %s", self.host_id, broken.exceptions[0])

    async def _follow_events(self) -> None:
        attempts = 0
        while True:
            try:
                query = urlencode({"filters": json.dumps(EVENT_FILTERS)})
                response = await get(self._connection, f"/events?{query}")
                attempts = 0
                await run_in_thread(enqueue, "host", self.host_id)
                async for found in response.json_lines():
                    self._journal_changed.set()
                    await run_in_thread(_pass_on_event, self.host_id, found)
            except (AgentResponseError, TimeoutError) as error:
                log.info("events of host %s: %s", self.host_id, error)
            self._journal_changed.set()
            await run_in_thread(enqueue, "host", self.host_id)  # a stream that ends does not say why: requeue
            await asyncio.sleep(_RETRY_DELAYS[min(attempts, len(_RETRY_DELAYS) - 1)])
            attempts += 1

    async def _sync_journal(self) -> None:
        while True:
            await self._catch_up()
            try:
                async with asyncio.timeout(CATCH_UP_EVERY):
                    await self._journal_changed.wait()
                await asyncio.sleep(DEBOUNCE_SECONDS)
            except TimeoutError:
                pass
            self._journal_changed.clear()

    async def _catch_up(self) -> None:
        after = await run_in_thread(_journal_position, self.host_id) if self._position is None else self._position
        more = True
        try:
            while more:
                found = await get_json(self._connection, f"/corral/v1/journal?after={after}&limit={_PAGE_SIZE}")
                more = not journal.is_at_end(found, after)
                if more:  # rarely true, and only then is the database used
                    after, more = await run_in_thread(journal.store_page, self.host_id, found)
                self._position = after
        except (AgentResponseError, TimeoutError, KeyError, TypeError, ValueError) as error:
            log.warning("journal of host %s: %r", self.host_id, error)


def _store_agent_info(host_id: int, hello: dict[str, Any], skew: float) -> None:
    rows = Host.all_objects.filter(pk=host_id)
    known = rows.values_list("agent", flat=True).get()
    reported = {"version": str(hello.get("agent", ""))[:32], "readOnly": hello.get("readOnly") is True}
    rows.update(agent={**known, **reported}, skew=round(skew, 3))


def _journal_position(host_id: int) -> int:
    found: int = Host.all_objects.values_list("journal_seq", flat=True).get(pk=host_id)
    return found


def _pass_on_event(host_id: int, found: dict[str, Any]) -> None:
    workloads.on_engine_event(host_id, event_of(found))
