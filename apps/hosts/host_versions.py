"""Which hosts have something new to get: read for all hosts at once, and whoever serves one of those is notified."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

from django.db import Error as DatabaseError

from apps.hosts.tunnels.threads import run_in_thread

V = TypeVar("V")
log = logging.getLogger(__name__)

RETRY_DELAY = 5.0
# A change of an environment concerns all of its hosts. The next look waits until they have it, and then as long again
# twice over, so that two hundred hosts that join one after the other leave the portal time for its pages.
LONGEST_WAVE, SHARE_OF_WAVE, LONGEST_PAUSE = 5.0, 2.0, 10.0


class Follower(Generic[V]):
    """Who serves one host; `version` is the host's newest, None while there is none for it."""

    def __init__(self, host_id: int) -> None:
        self.host_id = host_id
        self.version: V | None = None
        self.is_idle = asyncio.Event()
        self._changed = asyncio.Event()

    async def wait(self, longest: float | None = None) -> None:
        """Return when the version has changed since the last return, or after so many seconds."""
        if not self._changed.is_set():
            self.is_idle.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(longest):
                await self._changed.wait()
        self._changed.clear()
        self.is_idle.clear()

    def take(self, version: V | None) -> bool:
        """Note the version that was read; whether it is another one."""
        if version == self.version:
            return False
        self.version = version
        self.is_idle.clear()
        self._changed.set()
        return True


class HostVersions(Generic[V]):
    """The versions of all hosts, read by one task while anybody follows a host, every `pause` seconds or less often."""

    def __init__(self, read: Callable[[], Mapping[int, V]], pause: float) -> None:
        self._read, self._pause = read, pause
        self._followers: set[Follower[V]] = set()
        self._found: Mapping[int, V] = {}
        self._task: asyncio.Task[None] | None = None

    @contextmanager
    def follow(self, host_id: int) -> Iterator[Follower[V]]:
        """Follow one host's version, in the event loop that all followers of this process share."""
        follower = Follower[V](host_id)
        self._followers.add(follower)
        if self._task is None or self._task.done():
            self._found = {}
            self._task = asyncio.ensure_future(self._keep_reading())
        follower.take(self._found.get(host_id))
        try:
            yield follower
        finally:
            self._followers.discard(follower)
            follower.is_idle.set()
            if not self._followers:
                self._task.cancel()
                self._task = None

    async def _keep_reading(self) -> None:
        while True:
            began = time.monotonic()
            try:
                self._found = await run_in_thread(self._read)
            except Exception as error:  # the database may be away for a moment, and nobody else would start this again
                log.warning("versions of hosts: %s", error, exc_info=not isinstance(error, DatabaseError))
                await asyncio.sleep(RETRY_DELAY)
                continue
            notified = [each for each in self._followers if each.take(self._found.get(each.host_id))]
            await _until_idle(notified)
            await asyncio.sleep(min(max(self._pause, SHARE_OF_WAVE * (time.monotonic() - began)), LONGEST_PAUSE))


class VersionsInLoops(Generic[V]):
    """`HostVersions` of each event loop: agents' tunnels have one, and system containers another."""

    def __init__(self, read: Callable[[], Mapping[int, V]], pause: float) -> None:
        self._read, self._pause = read, pause
        self._found = WeakKeyDictionary[asyncio.AbstractEventLoop, HostVersions[V]]()

    def follow(self, host_id: int) -> AbstractContextManager[Follower[V]]:
        """Follow one host's version, in the running loop."""
        loop = asyncio.get_running_loop()
        versions = self._found.get(loop)
        if versions is None:
            versions = self._found[loop] = HostVersions(self._read, self._pause)
        return versions.follow(host_id)


async def _until_idle(followers: list[Follower[V]]) -> None:
    """Until each has served its host; one whose host does not answer holds nobody up for long."""
    if followers:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LONGEST_WAVE):
                for each in followers:
                    await each.is_idle.wait()
