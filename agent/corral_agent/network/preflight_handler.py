"""Takes part in the checks between the hosts of an environment, and reports what was found."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from corral_agent.network.commands import CommandFailed
from corral_agent.network.preflight import CheckDocument, Heard, Hello, parse_check
from corral_agent.network.preflight_probes import EchoSocket, HelloSocket
from corral_agent.network.preflight_surroundings import check_names, read_overlapping_routes, read_received
from corral_agent.network.preflight_throughput import Ends, Measured, measure
from corral_agent.threads import run_in_thread

log = logging.getLogger("corral_agent")

_ROUND, _HOSTS_A_SECOND = 1.0, 50
_LONGEST = 120.0
"""Seconds after which a check ends by itself: its portal is away, or has forgotten it."""
_LOOK_AGAIN = 5.0


class PreflightHandler:
    """The handler of the document "preflight" on a real machine: one check at a time, the newest."""

    def __init__(self) -> None:
        self._changed: Callable[[], None] = lambda: None
        self._run: CheckRun | None = None
        self._task: asyncio.Task[None] | None = None
        self._status: dict[str, Any] = {"state": "idle", "check": 0}

    def start(self, changed: Callable[[], None]) -> None:
        """Begin to report."""
        self._changed = changed

    def apply(self, document: Mapping[str, Any]) -> None:
        """Take part in another check, in the same one with other hosts, or in none."""
        check = parse_check(document)
        if self._run is not None and check is not None and self._run.check.number == check.number:
            self._run.check = check
            return
        if self._task is not None:
            self._task.cancel()
        self._run, self._status = None, {"state": "idle", "check": 0}
        if check is not None:
            self._run = CheckRun(check)
            self._task = asyncio.ensure_future(self._take_part(self._run))

    async def _take_part(self, run: CheckRun) -> None:
        beside = [asyncio.ensure_future(each) for each in (run.look_around(), run.measure_throughput())]
        try:
            while run.seconds < _LONGEST:
                await run.round()
                self._report(run, "running")
                await asyncio.sleep(_ROUND + len(run.check.network.peers) / _HOSTS_A_SECOND)
            self._report(run, "ended")
        finally:
            for each in beside:
                each.cancel()
            run.close()

    def _report(self, run: CheckRun, state: str) -> None:
        status = {"state": state, **run.as_json()}
        if run is self._run and status != self._status:
            self._status = status
            self._changed()

    def status(self) -> dict[str, Any]:
        """What was found so far; nothing once the check is over."""
        return self._status

    async def close(self) -> None:
        """End."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)


class CheckRun:
    """One check: a hello and an echo to every other host each second, and what came back since it began."""

    def __init__(self, check: CheckDocument) -> None:
        self.check = check
        self._began, self._number = time.monotonic(), 0
        self._heard: dict[str, Heard] = {}
        self._received_before: dict[str, int] = {}
        self._routes: list[str] = []
        self._names: dict[str, Any] = {}
        self._reason = ""
        self._throughput: Measured | None = None
        self._hellos, self._echoes = HelloSocket(self._take_hello), EchoSocket(self._take_echo)

    @property
    def seconds(self) -> float:
        """For how long it has been going on."""
        return time.monotonic() - self._began

    async def round(self) -> None:
        """One second's work; what fails is reported, and tried again in the next round."""
        check, self._reason = self.check, ""
        try:
            self._hellos.send_round(check, self._number)
        except OSError as error:
            self._reason = f"Nothing can be sent through {check.network.port}: {error.strerror}."
        peers = check.network.peers
        self._echoes.send([each.gateway for each in peers if each.gateway] + [each.address for each in peers])
        self._note_received(await run_in_thread(partial(read_received, check.network)))
        self._number += 1

    async def look_around(self) -> None:
        """Look at the routes and ask name servers, beside the rounds: those that are away take seconds."""
        while True:
            try:
                self._routes = await run_in_thread(partial(read_overlapping_routes, self.check.network))
            except CommandFailed as error:
                log.info("preflight: %s", error)
            self._names = await check_names()
            await asyncio.sleep(_LOOK_AGAIN)

    async def measure_throughput(self) -> None:
        """Measure what the document wants measured, if anything: once, beside the rounds."""
        task, network = self.check.throughput, self.check.network
        peer = next((each for each in network.peers if task is not None and each.host == task.host), None)
        if task is None:
            return
        if peer is None or not peer.gateway:
            self._throughput = Measured(reason="the other host is no part of the network")
            return
        ends = Ends(network.gateway, peer.gateway, self.check.key, self.check.number)
        self._throughput = await run_in_thread(partial(measure, ends, task))

    def _note_received(self, received: Mapping[str, int]) -> None:
        for peer in self.check.network.peers:
            if peer.public_key and self.check.network.wireguard:
                count = received.get(peer.public_key, 0)
                heard = self._heard_of(peer.host)
                heard.is_carried = bool(heard.is_carried) or count > self._received_before.setdefault(peer.host, count)

    def _take_hello(self, hello: Hello, now: float) -> None:
        self._heard_of(self.check.hosts[hello.sender]).take(hello, now)

    def _take_echo(self, address: str, milliseconds: float) -> None:
        for peer in self.check.network.peers:
            heard = self._heard_of(peer.host)
            if address == peer.gateway:
                heard.round_trip = min(heard.round_trip or milliseconds, milliseconds)
            elif address == peer.address:
                heard.direct = min(heard.direct or milliseconds, milliseconds)

    def _heard_of(self, host: str) -> Heard:
        return self._heard.setdefault(host, Heard())

    def as_json(self) -> dict[str, Any]:
        """For the portal, which judges it together with what the other hosts report."""
        peers = {peer.host: self._heard_of(peer.host).as_json() for peer in self.check.network.peers}
        return {
            "check": self.check.number,
            "seconds": int(self.seconds),
            "reason": self._reason,
            "routes": self._routes,
            "names": self._names,
            "peers": peers,
            **self._throughput_report(),
        }

    def _throughput_report(self) -> dict[str, Any]:
        task, found = self.check.throughput, self._throughput
        return {"throughput": {"host": task.host, **found.as_json()}} if task is not None and found is not None else {}

    def close(self) -> None:
        """Close the sockets."""
        self._hellos.close()
        self._echoes.close()


class OffPreflightHandler:
    """Takes the document of a host that has no part in the managed network: there is nothing to check."""

    def __init__(self, reason: str) -> None:
        self._reason = reason

    def start(self, changed: Callable[[], None]) -> None:
        """Nothing begins."""

    def apply(self, document: Mapping[str, Any]) -> None:
        """Check it, and leave it at that."""
        parse_check(document)

    def status(self) -> dict[str, Any]:
        """That it is off, and why."""
        return {"state": "off", "check": 0, "reason": self._reason}

    async def close(self) -> None:
        """Nothing ends."""
