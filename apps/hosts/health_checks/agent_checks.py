"""The checks that one host's agent makes: pushed whenever they change, and its reports, the whole of them first.

A report may come while nobody takes it: the host does not count among those that check for a moment, or the run it is
of is not known yet. An agent sends only what changes, so the whole is read again now and then.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from typing import TYPE_CHECKING, Any

from django.db import Error as DatabaseError

from apps.hosts.health_checks.versions import document_of, report_unchecked, versions, without_last
from apps.hosts.tunnels.agent_http import AgentResponseError, get, put_json
from apps.hosts.tunnels.threads import run_in_thread
from apps.hosts.workloads import workloads

if TYPE_CHECKING:
    from asyncssh import SSHClientConnection

log = logging.getLogger(__name__)

PATH = "/corral/v1/checks"
RETRY_DELAY = 5.0
REREAD_SECONDS = (45.0, 60.0)
# The database may be away for a moment, which is no reason to break the host's tunnel.
_PASSING = (AgentResponseError, TimeoutError, DatabaseError)
_TOO_OLD = "The agent of this host does not make health checks: update it."
_READ_ONLY = "The agent of this host is read-only, and makes no health checks."


class AgentChecks:
    """One agent's checks, for as long as its tunnel is up; `hello` is what it said of itself."""

    def __init__(self, host_id: int, connection: SSHClientConnection, hello: dict[str, Any]) -> None:
        self._host_id, self._connection = host_id, connection
        self._can_check = hello.get("checks") is True
        self._checks: object = None  # what the agent has
        self._has_none = hello.get("checkCount") == 0
        self._excuse = _READ_ONLY if hello.get("readOnly") is True else _TOO_OLD

    async def run(self) -> None:
        """Push and listen until the connection breaks."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._push())
            if self._can_check:
                tasks.create_task(self._listen())

    async def _push(self) -> None:
        """Push the document whenever it changes, and once anyway where the agent may still have one of before."""
        pushed: str | None = None if self._can_check and not self._has_none else ""
        with versions.follow(self._host_id) as follower:
            delay: float | None = 0.0
            while True:
                await follower.wait(delay)
                delay = None
                version = follower.version or ""
                if version == pushed:
                    continue
                try:
                    await self._push_once()
                    pushed = version
                except _PASSING as error:
                    log.warning("health checks of host %s: %s", self._host_id, error)
                    delay = RETRY_DELAY

    async def _push_once(self) -> None:
        if not self._can_check:
            await run_in_thread(report_unchecked, self._host_id, self._excuse)
            return
        document = await run_in_thread(document_of, self._host_id)
        if (checks := without_last(document)) != self._checks:
            await put_json(self._connection, PATH, document)
            self._checks = checks

    async def _listen(self) -> None:
        """Take over what is reported. Whatever goes wrong, the next stream begins with the whole state."""
        while True:
            try:
                if await self._follow_reports():
                    continue
            except _PASSING as error:
                log.info("health reports of host %s: %s", self._host_id, error)
            await asyncio.sleep(RETRY_DELAY)

    async def _follow_reports(self) -> bool:
        """Take over reports until the stream ends, or, which is True, until the whole is to be read again."""
        until = asyncio.get_running_loop().time() + random.uniform(*REREAD_SECONDS)  # noqa: S311 - spreads load
        response = await get(self._connection, PATH)
        try:
            async with contextlib.aclosing(response.json_lines()) as lines:
                async for found in lines:
                    if isinstance(found.get("states"), dict) and found["states"]:
                        await run_in_thread(workloads.on_health_reports, self._host_id, found["states"])
                    # A quiet stream sends empty lines as a sign of life, so this is looked at often enough.
                    if self._checks and asyncio.get_running_loop().time() >= until:
                        return True
        finally:
            response.close()
        return False
