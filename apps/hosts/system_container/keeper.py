"""Keeps the system containers of hosts, and follows what they report: a task for each, in a thread of its own."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from django.db import Error as DatabaseError
from django.db import close_old_connections

from apps.core.events import row_changed
from apps.drivers.base import EngineDown, EngineError, ExecSession
from apps.hosts.health_checks.versions import report_unchecked
from apps.hosts.models import Host
from apps.hosts.system_container import link
from apps.hosts.system_container.on_engine import ensure_container, open_session
from apps.hosts.tunnels.agent_http import AgentResponseError
from apps.hosts.tunnels.follower import HostFollower
from apps.hosts.tunnels.keys import get_portal_key

log = logging.getLogger(__name__)

STARTING, ACTIVE, FAILED = "starting", "active", "failed"
_MIN_PAUSE, _DOWN_PAUSE, _MAX_PAUSE = 0.5, 3.0, 30.0
_LOST = "The connection to the system container was lost."
_POOL = ThreadPoolExecutor(4, thread_name_prefix="system-containers")
T = TypeVar("T")


class SystemContainers:
    """The system containers of the hosts that one gateway holds; without any there is no thread."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tasks: dict[int, asyncio.Task[None]] = {}

    def sync(self, host_ids: Collection[int]) -> None:
        """Keep the containers of these hosts, and of no others any more."""
        if self._loop is None and host_ids:
            self._loop = asyncio.new_event_loop()
            threading.Thread(target=self._loop.run_forever, name="system-containers", daemon=True).start()
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._sync, frozenset(host_ids))

    def stop(self) -> None:
        """End all connections; the containers go on."""
        self.sync(())

    def _sync(self, host_ids: frozenset[int]) -> None:
        for key in [key for key in self._tasks if key not in host_ids]:
            self._tasks.pop(key).cancel()
        for key in host_ids:
            task = self._tasks.get(key)
            if task is None or task.done():
                self._tasks[key] = asyncio.get_running_loop().create_task(_keep(key))


async def _keep(host_id: int) -> None:
    """Ensure and follow one host's container for as long as the host is to have one."""
    pause = _MIN_PAUSE
    while (host := await _in_thread(_wanted_host, host_id)) is not None:
        message, is_down = await _keep_once(host)
        await _in_thread(_report, host_id, FAILED, message)
        if message == _LOST:
            pause = _MIN_PAUSE
        await asyncio.sleep(min(pause, _DOWN_PAUSE) if is_down else pause)
        pause = min(pause * 2, _MAX_PAUSE)


async def _keep_once(host: Host) -> tuple[str, bool]:
    """Keep it until something goes wrong: what that was, and whether it was only the engine that was away."""
    import asyncssh  # slow to import, and most of the portal's processes never need it

    try:
        session = await _in_thread(_open, host)
    except EngineError as error:
        if not isinstance(error, EngineDown):
            await _in_thread(report_unchecked, host.pk, f"There is no system container here: {error}")
        return str(error), isinstance(error, EngineDown)
    except Exception as error:
        log.exception("system container of host %s", host.pk)
        return f"The system container cannot be kept: {error!r}", False
    try:
        await _follow(host.pk, session)
    except (asyncssh.Error, OSError, TimeoutError, AgentResponseError, EngineError, DatabaseError) as error:
        log.info("system container of host %s: %r", host.pk, error)
        return f"The system container does not answer: {error}", True
    return _LOST, True


def _open(host: Host) -> ExecSession:
    return open_session(host, ensure_container(host), "corral_agent.stdio")


async def _follow(host_id: int, session: ExecSession) -> None:
    private_key = await _in_thread(lambda: get_portal_key().private)
    async with link.connect(session, private_key) as connection:
        follower = HostFollower(host_id, connection)
        await follower.handshake()
        await _in_thread(_report, host_id, ACTIVE, "")
        await follower.run_documents()


def _wanted_host(host_id: int) -> Host | None:
    rows = Host.all_objects.filter(pk=host_id, removed=None, system_container=True)
    found: Host | None = rows.exclude(desired__in=("removed", "purged")).first()
    return found


def _report(host_id: int, state: str, message: str) -> None:
    """Note how it goes, for the host's page. A connection that is being made again is no failure yet."""
    report = {"state": STARTING if message == _LOST else state, "message": message}
    row = Host.all_objects.filter(pk=host_id, system_container=True).exclude(system_report=report).first()
    if row is not None:
        Host.all_objects.filter(pk=host_id, system_container=True).update(system_report=report)
        row_changed(row.environment_id, row.KIND, row.pk)


async def _in_thread(call: Callable[..., T], *args: object) -> T:
    """Run a blocking function; making an image takes longer than tunnels may wait, hence threads of its own."""
    return await asyncio.get_running_loop().run_in_executor(_POOL, _call_with_fresh_connections, call, args)


def _call_with_fresh_connections(call: Callable[..., T], args: tuple[object, ...]) -> T:
    close_old_connections()
    try:
        return call(*args)
    finally:
        close_old_connections()
