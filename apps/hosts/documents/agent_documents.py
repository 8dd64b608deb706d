"""The documents of one host's agent: pushed whenever they change, and what it reports of them."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.db import Error as DatabaseError

from apps.hosts.documents.sources import DocumentSource, sources, versions
from apps.hosts.tunnels.agent_http import AgentResponseError, get, put_json
from apps.hosts.tunnels.threads import run_in_thread

if TYPE_CHECKING:
    from asyncssh import SSHClientConnection

log = logging.getLogger(__name__)

PATH = "/corral/v1/documents"
RETRY_DELAY = 5.0
REPEAT_SECONDS = 60.0  # what is reported again and again is taken over again, so that it heals what was lost
# The database may be away for a moment, which is no reason to break the host's tunnel.
_PASSING = (AgentResponseError, TimeoutError, DatabaseError)
_TOO_OLD = "The agent of this host is too old: update it."
_READ_ONLY = "The agent of this host is read-only."


class DocumentNotBuilt(Exception):
    """A source failed."""


class AgentDocuments:
    """One agent's documents, for as long as its tunnel is up; `hello` is what it said of itself."""

    def __init__(self, host_id: int, connection: SSHClientConnection, hello: dict[str, Any]) -> None:
        self._host_id, self._connection = host_id, connection
        taken = hello.get("documents")
        self._taken = {str(name) for name in taken} if isinstance(taken, list) else set[str]()
        self._excuse = _READ_ONLY if hello.get("readOnly") is True else _TOO_OLD
        self._pushed: dict[str, str] = {}
        self._digests = _digests_in(hello)  # of what the agent has
        self._retry_at: dict[str, float] = {}
        self._reported: dict[str, tuple[tuple[dict[str, Any], object], float]] = {}

    async def run(self) -> None:
        """Push and listen until the connection breaks."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._push())
            if self._taken:
                tasks.create_task(self._listen())

    async def _push(self) -> None:
        with versions.follow(self._host_id) as follower:
            while True:
                await follower.wait(self._seconds_until_retry())
                for name, source in sources.items():
                    await self._push_one(name, source, (follower.version or {}).get(name))

    def _seconds_until_retry(self) -> float | None:
        return max(min(self._retry_at.values()) - time.monotonic(), 0.0) if self._retry_at else None

    async def _push_one(self, name: str, source: DocumentSource, version: str | None) -> None:
        """Push one document if it has changed; one that is refused or fails keeps no other from being pushed."""
        if version is None or version == self._pushed.get(name):
            self._retry_at.pop(name, None)
            return
        if time.monotonic() < self._retry_at.get(name, 0.0):
            return
        try:
            if name in self._taken:
                await self._put(name, await self._build(source))
            else:
                await run_in_thread(source.on_unsupported, self._host_id, self._excuse)
            self._pushed[name] = version
            self._retry_at.pop(name, None)
        except (*_PASSING, DocumentNotBuilt) as error:
            log.warning("document %s of host %s: %s", name, self._host_id, error)
            self._retry_at[name] = time.monotonic() + RETRY_DELAY

    async def _build(self, source: DocumentSource) -> dict[str, Any]:
        """The document. A fault in what makes it must not end the host's tunnel, and with it everything else."""
        try:
            return await run_in_thread(source.build, self._host_id)
        except DatabaseError:
            raise
        except Exception as error:
            log.exception("document %s of host %s", source.name, self._host_id)
            raise DocumentNotBuilt("it cannot be made") from error

    async def _put(self, name: str, document: dict[str, Any]) -> None:
        """Put a document, unless the agent has it: a version only says that it might be another one."""
        digest = hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
        if digest != self._digests.get(name):
            self._digests.pop(name, None)
            await put_json(self._connection, f"{PATH}/{name}", {**document, "version": time.time_ns() // 1_000_000})
            self._digests[name] = digest

    async def _listen(self) -> None:
        """Take over what is reported. Whatever goes wrong, the next stream begins with the whole report."""
        while True:
            try:
                response = await get(self._connection, PATH)
                try:
                    async for found in response.json_lines():
                        await self._take_over(found)
                finally:
                    response.close()
            except _PASSING as error:
                log.info("reports of host %s: %s", self._host_id, error)
            await asyncio.sleep(RETRY_DELAY)

    async def _take_over(self, found: Mapping[str, Any]) -> None:
        reported, applied = found.get("status"), found.get("versions")
        if not isinstance(reported, dict):
            return
        for name, source in sources.items():
            status = reported.get(name)
            if name in self._taken and isinstance(status, dict):
                news = (status, applied.get(name) if isinstance(applied, dict) else None)
                await self._take_over_one(source, news)

    async def _take_over_one(self, source: DocumentSource, news: tuple[dict[str, Any], object]) -> None:
        """Agents report everything whenever anything has changed, and much of it is known."""
        known, taken_at = self._reported.get(source.name, (None, 0.0))
        if news == known and time.monotonic() - taken_at < REPEAT_SECONDS:
            return
        try:
            await run_in_thread(source.on_status, self._host_id, news[0])
        except DatabaseError:
            raise
        except Exception:  # a fault in one subject must not end the host's tunnel
            log.exception("report of the document %s of host %s", source.name, self._host_id)
        self._reported[source.name] = (news, time.monotonic())


def _digests_in(hello: Mapping[str, Any]) -> dict[str, str]:
    """What an agent that was there before has kept, by document; older ones do not say."""
    found = hello.get("documentDigests")
    return {str(name): str(digest) for name, digest in found.items()} if isinstance(found, dict) else {}
