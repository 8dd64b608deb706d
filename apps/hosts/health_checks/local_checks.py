"""The checks of hosts without an agent: made by this process for engines of its own machine, by nobody for others."""

from __future__ import annotations

import asyncio
import logging
import threading
import time

from apps.hosts.health_checks.versions import document_of, report_unchecked
from apps.hosts.models import TAKES_DOCUMENTS, Host
from apps.hosts.tunnels.threads import run_in_thread
from apps.hosts.workloads import workloads
from health_checks.check import parse_document
from health_checks.runner import CheckRunner

log = logging.getLogger(__name__)

ROUND_SECONDS = 1.0
REPEAT_SECONDS = 50.0  # after which all is reported again: a report may come while nobody takes it
_BATCH_SECONDS = 0.2  # at least from one round to the next, however much changes
LOCAL_SCHEME = "unix://"
# An address behind another machine's engine may well exist on this one too, and be somebody else's.
NO_AGENT = "Nobody makes health checks over the network on a host with neither an agent nor a system container."


class LocalChecks:
    """Makes the checks of the hosts that the gateway `name` holds, in a thread of its own."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._stop_requested = threading.Event()
        self._thread = threading.Thread(target=self._run, name="checks", daemon=True)
        self._runners: dict[int, CheckRunner] = {}
        self._applied: dict[int, str] = {}
        self._reported: dict[int, int] = {}
        self._repeated = time.monotonic()

    def start(self) -> None:
        """Start in a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """Stop checking."""
        self._stop_requested.set()

    def _run(self) -> None:
        asyncio.run(self._check_until_stopped())

    async def _check_until_stopped(self) -> None:
        while not self._stop_requested.is_set():
            try:
                await self.run_once()
            except Exception:  # the database may be away for a moment; checks go on meanwhile
                log.exception("health checks")
            await self._pause()

    async def _pause(self) -> None:
        """Until the next round, or until there is something to report."""
        await asyncio.sleep(_BATCH_SECONDS)
        left = ROUND_SECONDS - _BATCH_SECONDS
        changes = [runner.wait_for_change(self._reported.get(key, 0)) for key, runner in self._runners.items()]
        if not changes:
            await asyncio.sleep(left)
            return
        tasks = [asyncio.ensure_future(each) for each in changes]
        await asyncio.wait(tasks, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()

    async def run_once(self) -> None:
        """Take over what has changed in the database, and report what has changed on the network."""
        versions = await run_in_thread(workloads.health_check_versions)
        hosts = await run_in_thread(self._hosts)
        for key in [key for key in self._applied if key not in hosts]:
            self._drop(key)
        for key, url in hosts.items():
            version = versions.get(key, "")
            if version != self._applied.get(key, ""):
                await self._apply(key, url)
                self._applied[key] = version
        now = time.monotonic()
        is_repeated = now - self._repeated >= REPEAT_SECONDS
        self._repeated = now if is_repeated else self._repeated
        for key, runner in self._runners.items():
            number = runner.number
            if states := runner.states(0 if is_repeated else self._reported.get(key, 0)):
                await run_in_thread(workloads.on_health_reports, key, states)
            self._reported[key] = number

    def _hosts(self) -> dict[int, str]:
        rows = Host.all_objects.filter(gateway=self._name, removed=None).exclude(TAKES_DOCUMENTS)
        return dict(rows.values_list("pk", "url"))

    async def _apply(self, key: int, url: str) -> None:
        if not url.startswith(LOCAL_SCHEME):
            await run_in_thread(report_unchecked, key, NO_AGENT)
            return
        runner = self._runners.setdefault(key, CheckRunner())
        runner.apply(*parse_document(await run_in_thread(document_of, key)))

    def _drop(self, key: int) -> None:
        """The host is another process's by now, or gone."""
        self._applied.pop(key, None)
        self._reported.pop(key, None)
        if (runner := self._runners.pop(key, None)) is not None:
            runner.close()
