"""Keeps this host's part of the managed network as its document has it, and reports how it goes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from corral_agent.network import netlink, wireguard
from corral_agent.network.announcements import Announcer
from corral_agent.network.commands import CommandFailed
from corral_agent.network.document import NetworkDocument, Peer, parse_document
from corral_agent.network.engine_network import EngineNetwork, EngineSilent, Opener
from corral_agent.network.filters import Guest
from corral_agent.network.host_network import NetworkDevices, Outcome
from corral_agent.network.reachability import Pinger
from corral_agent.network.traffic import read_traffic
from corral_agent.network.wireguard import FoundPeer
from corral_agent.threads import run_in_thread

log = logging.getLogger("corral_agent")

_INTERVAL, _SOON = 5.0, 0.1
_SETTLE = 0.02  # a container's start brings several events
_MAX_SOON = 30
_COUNTERS_AFTER = 15.0


class NetworkHandler:
    """The handler of the document "network" on a real machine."""

    def __init__(self, folder: Path, open_engine: Opener) -> None:
        self._engine = EngineNetwork(open_engine)
        self._host = NetworkDevices(folder / "network")
        self._announcer, self._pinger = Announcer(), Pinger(self._on_return)
        self._changed: Callable[[], None] = lambda: None
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._events: socket.socket | None = None
        self._document: NetworkDocument | None = None
        self._moved: set[str] = set()
        self._guests: frozenset[Guest] = frozenset()
        self._status: dict[str, Any] = {"state": "starting", "reason": "The portal has sent no network yet."}
        self._reported_at, self._soon = 0.0, 0

    def start(self, changed: Callable[[], None]) -> None:
        """Begin to look after the network."""
        self._changed = changed
        loop = asyncio.get_running_loop()
        with contextlib.suppress(OSError):  # without events, every change waits for the next round
            self._events = netlink.open_events()
            loop.add_reader(self._events.fileno(), self._on_event)
        self._pinger.open()
        self._task = loop.create_task(self._run())

    def apply(self, document: Mapping[str, Any]) -> None:
        """Take a document; the work begins at once."""
        parsed = parse_document(document)
        if self._document is not None:
            before = {peer.host: peer.address for peer in self._document.peers}
            self._moved |= {peer.host for peer in parsed.peers if before.get(peer.host) != peer.address}
        self._document = parsed
        self._wake.set()

    def status(self) -> dict[str, Any]:
        """State, reason, public key, and how each other host is heard."""
        return self._status

    async def close(self) -> None:
        """End. Devices and filters stay, and so does everything that containers say to each other."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._announcer.close()
        self._pinger.close()
        if self._events is not None:
            asyncio.get_running_loop().remove_reader(self._events.fileno())
            self._events.close()

    def _on_event(self) -> None:
        if self._events is not None:
            with contextlib.suppress(OSError):
                netlink.drain(self._events)
        self._wake.set()

    def _on_return(self) -> None:
        """A host that could not be reached has missed what was announced meanwhile."""
        if self._document is not None:
            self._announce(self._document, self._guests)
        self._wake.set()

    def _announce(self, document: NetworkDocument, guests: Iterable[Guest]) -> None:
        self._announcer.announce(document.port, [(guest.address, guest.mac) for guest in guests])

    async def _run(self) -> None:
        while True:
            pause = _INTERVAL
            if self._document is not None:
                pause = await self._round(self._document)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._wake.wait()
            await asyncio.sleep(_SETTLE)
            self._wake.clear()

    async def _round(self, document: NetworkDocument) -> float:
        """Look once, and change what differs; how long to wait until the next time."""
        moved, self._moved = self._moved, set()
        try:
            endpoints, engine_reason = await self._endpoints(document)
            outcome = await run_in_thread(partial(self._host.ensure, document, endpoints, moved))
        except CommandFailed as error:
            self._moved |= moved
            self._report(document, Outcome(), "error", _sentence(error))
            return _INTERVAL
        except Exception as error:  # noqa: BLE001  # whatever it was, the next round tries again
            log.warning("network: %r", error)
            self._report(document, Outcome(), "error", _sentence(error))
            return _INTERVAL
        self._guests = outcome.guests
        self._announce(document, outcome.arrived)
        self._pinger.watch(peer.gateway for peer in document.peers if peer.gateway)
        if not outcome.has_bridge:
            reason = engine_reason or f"The engine has no bridge {document.bridge} yet."
            self._report(document, outcome, "error" if outcome.conflict else "starting", reason)
        else:
            self._report(document, outcome, "active", outcome.warning and _sentence(outcome.warning))
        return self._pause(outcome)

    def _pause(self, outcome: Outcome) -> float:
        """Containers that are just being connected become known within moments, and no event may tell."""
        is_settled = outcome.has_bridge and not outcome.unknown_ports
        self._soon = 0 if is_settled else self._soon + 1
        return _INTERVAL if is_settled or self._soon > _MAX_SOON else _SOON

    async def _endpoints(self, document: NetworkDocument) -> tuple[dict[str, str] | None, str]:
        """Who is connected, from the engine, and why that cannot be said. A network that is absent is made."""
        try:
            found = await self._engine.endpoints(document)
            # A bridge for a network that the host reaches elsewhere would cut the host off from there.
            if found is None and not await run_in_thread(partial(self._host.find_conflict, document)):
                await self._engine.create(document)
        except EngineSilent as error:
            return None, _sentence(error)
        return found or {}, ""

    def _report(self, document: NetworkDocument, outcome: Outcome, state: str, reason: str) -> None:
        status = {
            "version": document.version,
            "state": state,
            "reason": f"The host has a route into the network: {outcome.conflict}." if outcome.conflict else reason,
            "publicKey": self._host.public_key,
            "peers": self._peers(document, outcome),
        }
        if traffic := read_traffic(document.port, (document.bridge, wireguard.DEVICE)):
            status["traffic"] = traffic
        if outcome.conflict:
            status["subnetConflict"] = outcome.conflict
        before, self._status = self._status, status
        is_due = time.monotonic() - self._reported_at > _COUNTERS_AFTER and before != status
        if _without_counters(before) != _without_counters(status) or is_due:
            self._reported_at = time.monotonic()
            self._changed()

    def _peers(self, document: NetworkDocument, outcome: Outcome) -> dict[str, dict[str, Any]]:
        return {peer.host: self._peer(peer, outcome.tunnel.peers.get(peer.public_key)) for peer in document.peers}

    def _peer(self, peer: Peer, found: FoundPeer | None) -> dict[str, Any]:
        now = time.time()
        if found is None:
            return {"reachable": self._pinger.is_reachable(peer.gateway)}
        is_heard = self._pinger.is_reachable(peer.gateway) if peer.gateway else found.is_reachable(now)
        age = max(0, int(now - found.handshake)) if found.handshake else None
        counters = {"handshakeAgeSeconds": age, "received": found.received, "sent": found.sent}
        return {"reachable": is_heard, **counters}


class OffHandler:
    """Takes the document of a host that is to have no managed network, and reports why it has none."""

    def __init__(self, reason: str) -> None:
        self._reason = reason

    def start(self, changed: Callable[[], None]) -> None:
        """Nothing begins."""

    def apply(self, document: Mapping[str, Any]) -> None:
        """Check it, and leave it at that."""
        parse_document(document)

    def status(self) -> dict[str, Any]:
        """That it is off, and why."""
        return {"state": "off", "reason": self._reason, "publicKey": "", "peers": {}}

    async def close(self) -> None:
        """Nothing ends."""


def _without_counters(status: Mapping[str, Any]) -> dict[str, Any]:
    peers = {host: peer.get("reachable") for host, peer in status.get("peers", {}).items()}
    return {**status, "peers": peers, "traffic": None}


def _sentence(error: object) -> str:
    text = str(error).rstrip(".")
    return f"{text[:1].upper()}{text[1:]}."
