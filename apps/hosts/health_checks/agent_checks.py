"""The checks that one host's agent makes: pushed whenever they change, and its reports, the whole of them first."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from apps.hosts.health_checks.versions import document_of, report_unchecked, versions
from apps.hosts.tunnels.agent_http import AgentResponseError, get, put_json
from apps.hosts.tunnels.threads import run_in_thread
from apps.hosts.workloads import workloads

if TYPE_CHECKING:
    from asyncssh import SSHClientConnection

log = logging.getLogger(__name__)

PATH = "/corral/v1/checks"
_RETRY_DELAY = 5.0
_TOO_OLD = "The agent of this host does not make health checks: update it."
_READ_ONLY = "The agent of this host is read-only, and makes no health checks."


class AgentChecks:
    """One agent's checks, for as long as its tunnel is up; `hello` is what it said of itself."""

    def __init__(self, host_id: int, connection: SSHClientConnection, hello: dict[str, Any]) -> None:
        self._host_id, self._connection = host_id, connection
        self._can_check = hello.get("checks") is True
        self._excuse = _READ_ONLY if hello.get("readOnly") is True else _TOO_OLD

    async def run(self) -> None:
        """Push and listen until the connection breaks."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._push())
            if self._can_check:
                tasks.create_task(self._listen())

    async def _push(self) -> None:
        """Push the document whenever it changes, and once anyway: the agent may still have one of before."""
        pushed: str | None = None if self._can_check else ""
        while True:
            if versions.is_stale:
                await run_in_thread(versions.refresh)
            version = versions.of(self._host_id)
            if version != pushed:
                try:
                    await self._push_once()
                    pushed = version
                except (AgentResponseError, TimeoutError) as error:
                    log.warning("health checks of host %s: %s", self._host_id, error)
                    await asyncio.sleep(_RETRY_DELAY)
            await asyncio.sleep(1.0)

    async def _push_once(self) -> None:
        if self._can_check:
            document = await run_in_thread(document_of, self._host_id)
            await put_json(self._connection, PATH, document)
        else:
            await run_in_thread(report_unchecked, self._host_id, self._excuse)

    async def _listen(self) -> None:
        while True:
            try:
                response = await get(self._connection, PATH)
                try:
                    async for found in response.json_lines():
                        if isinstance(found.get("states"), dict) and found["states"]:
                            await run_in_thread(workloads.on_health_reports, self._host_id, found["states"])
                finally:
                    response.close()
            except (AgentResponseError, TimeoutError) as error:
                log.info("health reports of host %s: %s", self._host_id, error)
            await asyncio.sleep(_RETRY_DELAY)
