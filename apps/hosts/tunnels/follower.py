"""What runs while a tunnel is up: the handshake, catching up with the journal, and following the engine's events."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from apps.control.queue import enqueue
from apps.core.read_budgets import EVENT_PAUSE_SECONDS, EventAllowance
from apps.drivers.docker.errors import UNEXPECTED_ANSWER_ERRORS
from apps.drivers.docker.parsing import parse_event as event_of
from apps.drivers.docker.streams import EVENT_FILTERS
from apps.hosts.documents.agent_documents import AgentDocuments
from apps.hosts.health_checks.agent_checks import AgentChecks
from apps.hosts.models import Host
from apps.hosts.tunnels import journal
from apps.hosts.tunnels.agent_http import AgentResponse, AgentResponseError, get, get_json
from apps.hosts.tunnels.threads import run_in_thread
from apps.hosts.workloads import workloads

if TYPE_CHECKING:
    from asyncssh import SSHClientConnection

log = logging.getLogger(__name__)

DEBOUNCE_SECONDS = 1.0
CATCH_UP_EVERY = 60.0
_PAGE_SIZE = 1000
_MAX_PAGES = 10
_RETRY_DELAYS = (0.5, *[1.0] * 30, 5.0)  # an engine that only starts again is back within half a minute


class HostFollower:
    """One host's events, for as long as its tunnel is up."""

    def __init__(self, host_id: int, connection: SSHClientConnection) -> None:
        self.host_id = host_id
        self._connection = connection
        self._journal_changed = asyncio.Event()
        self._hello: dict[str, Any] = {}
        self._position: int | None = None  # up to where the journal was read; also stored on the row

    async def handshake(self) -> None:
        """Ask the agent for its clock and version. Raises as `get_json`."""
        sent_at = time.time()
        hello = self._hello = await get_json(self._connection, "/corral/v1/hello")
        now = time.time()
        try:
            skew = float(hello.get("clock") or now) - (sent_at + now) / 2
        except (OverflowError, TypeError, ValueError):
            raise AgentResponseError("The agent's clock is not a number.") from None
        if not math.isfinite(skew):
            raise AgentResponseError("The agent's clock is not a time.")
        await run_in_thread(_store_agent_info, self.host_id, hello, skew)

    async def run(self) -> None:
        """Follow until the connection breaks; an engine that is away is retried for ever."""
        import asyncssh

        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._sync_journal())
                tasks.create_task(self._follow_events())
                tasks.create_task(AgentChecks(self.host_id, self._connection, self._hello).run())
                tasks.create_task(AgentDocuments(self.host_id, self._connection, self._hello).run())
        except* (asyncssh.Error, OSError) as broken:
            log.info("the connection to host %s broke: %s", self.host_id, broken.exceptions[0])

    async def run_documents(self) -> None:
        """Checks and documents alone, until the connection breaks: its engine's events come another way."""
        import asyncssh

        broken = asyncio.ensure_future(self._connection.wait_closed())
        try:
            async with asyncio.TaskGroup() as tasks:
                pushing = [
                    tasks.create_task(AgentChecks(self.host_id, self._connection, self._hello).run()),
                    tasks.create_task(AgentDocuments(self.host_id, self._connection, self._hello).run()),
                ]
                await asyncio.wait([broken, *pushing], return_when=asyncio.FIRST_COMPLETED)
                for task in pushing:
                    task.cancel()
        except* (asyncssh.Error, OSError) as error:
            log.info("the connection to host %s broke: %s", self.host_id, error.exceptions[0])
        finally:
            broken.cancel()

    async def _follow_events(self) -> None:
        attempts = 0
        allowance = EventAllowance()
        while True:
            try:
                query = urlencode({"filters": json.dumps(EVENT_FILTERS)})
                response = await get(self._connection, f"/events?{query}")
                attempts = 0
                await run_in_thread(enqueue, "host", self.host_id)
                try:
                    await self._pass_on_events(response, allowance)
                finally:
                    response.close()
            except (AgentResponseError, TimeoutError) as error:
                log.info("events of host %s: %s", self.host_id, error)
            self._journal_changed.set()
            await run_in_thread(enqueue, "host", self.host_id)  # a stream that ends does not say why: requeue
            await asyncio.sleep(_RETRY_DELAYS[min(attempts, len(_RETRY_DELAYS) - 1)])
            attempts += 1

    async def _pass_on_events(self, response: AgentResponse, allowance: EventAllowance) -> None:
        """Pass on what comes until the stream ends, or more of it comes than one host may send."""
        async for found in response.json_lines():
            if not allowance.take():
                log.warning("host %s sends too many events; it is looked at as a whole instead", self.host_id)
                await asyncio.sleep(EVENT_PAUSE_SECONDS)
                return
            self._journal_changed.set()
            await run_in_thread(_pass_on_event, self.host_id, found)

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
        more, pages = True, 0
        try:
            while more and pages < _MAX_PAGES:
                pages += 1
                found = await get_json(self._connection, f"/corral/v1/journal?after={after}&limit={_PAGE_SIZE}")
                more = not journal.is_at_end(found, after)
                if more:  # rarely true, and only then is the database used
                    after, more = await run_in_thread(journal.store_page, self.host_id, found)
                self._position = after
            if more:
                self._journal_changed.set()  # the rest in the next round: a journal may have no end
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
    try:
        event = event_of(found)
    except UNEXPECTED_ANSWER_ERRORS as error:
        log.info("an event of host %s is not one: %r", host_id, error)
    else:
        workloads.on_engine_event(host_id, event)
