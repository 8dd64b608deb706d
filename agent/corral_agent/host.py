"""One host: registered once, then connected for ever, with everything behind the tunnel."""

from __future__ import annotations

import asyncio
import logging
import random
import socket
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from corral_agent import enroll, keys
from corral_agent.aside import aside
from corral_agent.door.relay import Door
from corral_agent.engine import Engine, EngineAway, get
from corral_agent.enroll import CannotRegister, PortalAway
from corral_agent.journal import Journal
from corral_agent.options import Options
from corral_agent.own import Own
from corral_agent.state import Store
from corral_agent.tunnel import Cut, Refused, Tunnel
from corral_agent.watch import Watch

log = logging.getLogger("corral_agent")

_FIRST, _LONGEST = 1.0, 30.0
_REFUSED_AGAIN = 60.0
_STEADY = 60.0


@dataclass
class Backoff:
    """Pauses that double, each anywhere between nothing and its length: many agents do not come back as one."""

    pause: float = _FIRST

    def next(self) -> float:
        """How long to wait now, in seconds."""
        length, self.pause = self.pause, min(self.pause * 2, _LONGEST)
        return random.uniform(0, length)  # noqa: S311 - spreads load, guards nothing

    def reset(self) -> None:
        """It went well for a while."""
        self.pause = _FIRST


class Host:
    """An agent's life; `name` is "" for the machine itself."""

    def __init__(self, options: Options, engine: Engine, folder: Path, name: str = "") -> None:
        self._options, self._engine, self._name = options, engine, name
        self._store = Store(folder)
        self.journal = Journal(folder)
        self._watch = Watch(engine, self.journal)
        own = Own(engine, self.journal, self._watch, name=name, read_only=options.read_only)
        self._door = Door(engine.open, own, read_only=options.read_only)
        self._backoff = Backoff()
        self._cable = asyncio.Event()
        self._cable.set()
        self._dialling: asyncio.Future[None] | None = None
        self._tunnel: Tunnel | None = None
        self._loose_end: socket.socket | None = None

    async def run(self) -> None:
        """Until cancelled. Raises `BadState`, and `CannotRegister` with neither a credential nor a way to one."""
        self._store.check()
        self.journal.add("agent", "started")
        watching = asyncio.ensure_future(self._watch.run())
        try:
            await self._register()
            await self._stay_connected()
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            self._let_go()
            self.journal.add("agent", "stopped")
            self.journal.close()

    async def _register(self) -> None:
        if not self._store.state.private_key:
            self._store.note(private_key=keys.make())
        while enroll.needed(self._store.state, self._options.url):
            try:
                await self._register_once()
            except (PortalAway, EngineAway) as error:
                pause = self._backoff.next()
                log.warning("%snot registered yet: %s Trying again in %.0f s.", self._tag, _sentence(error), pause)
                await asyncio.sleep(pause)
            except CannotRegister as error:
                if not self._store.state.access_key:
                    raise
                log.warning("%s%s The credential of before is used.", self._tag, _sentence(error))
                break
        self._backoff.reset()

    async def _register_once(self) -> None:
        options, state = self._options, self._store.state
        if not options.url:
            raise CannotRegister("This host is not registered: give the registration URL that the portal shows.")
        facts = await self._facts()
        answer = await aside(partial(enroll.register, options.url, options.ca, state.private_key, facts))
        state = self._store.note(**answer, engine_id=facts["engineId"], refused=False)
        log.info("%sregistered as host %s", self._tag, state.host_id)

    async def _facts(self) -> dict[str, Any]:
        info = await get(self._engine, "/info")
        return {
            "hostname": self._name or str(info.get("Name") or socket.gethostname()),
            "address": self._options.address or _address(self._options.url),
            "labels": dict(self._options.labels),
            "engineId": str(info.get("ID") or ""),
            "simulated": self._engine.simulated,
        }

    def cut(self) -> None:
        """Pull the cable: both sides hear nothing more of each other, and no tunnel is dialled until `mend`."""
        self._cable.clear()
        if self._tunnel is not None:
            self._loose_end = self._tunnel.fall_silent() or self._loose_end
        if self._dialling is not None:
            self._dialling.cancel()

    def mend(self) -> None:
        """Put the cable back: what is left of the old connection is told to be gone, and a new one dialled."""
        self._let_go()
        self._cable.set()

    def _let_go(self) -> None:
        if self._loose_end is not None:
            self._loose_end.close()
            self._loose_end = None

    async def _stay_connected(self) -> None:
        while True:
            pause = 0.0
            try:
                await self._cable.wait()
                self._dialling = asyncio.ensure_future(self._connect_once())
                await self._dialling
            except asyncio.CancelledError:
                if _is_cancelled():
                    raise
            except Refused as error:
                self._store.note(refused=True)
                log.warning(
                    "%s%s To connect it again, run the command of the portal's Add Host page.",
                    self._tag,
                    _sentence(error),
                )
                pause = _REFUSED_AGAIN
            except Cut as error:
                pause = 0.0 if error.restart else self._backoff.next()
                log.warning("%sdisconnected: %s Dialling again in %.1f s.", self._tag, _sentence(error), pause)
            await asyncio.sleep(pause)

    async def _connect_once(self) -> None:
        state, loop = self._store.state, asyncio.get_running_loop()
        tunnel = self._tunnel = Tunnel(
            url=state.tunnel_url,
            credential=(state.access_key, state.secret_key),
            private_key=state.private_key,
            portal_key=state.portal_key,
            tls=enroll.tls(self._options.ca) if state.tunnel_url.startswith("wss:") else None,
        )
        began = float("inf")

        def live() -> None:
            nonlocal began
            began = loop.time()
            self._connected()

        try:
            await tunnel.run(self._door.serve, live)
        finally:
            self._tunnel = None
            if began < float("inf"):
                self.journal.add("agent", "disconnected")
            if loop.time() - began > _STEADY:
                self._backoff.reset()

    def _connected(self) -> None:
        if self._store.state.refused:
            self._store.note(refused=False)
        self.journal.add("agent", "connected")
        log.info("%sconnected", self._tag)

    @property
    def _tag(self) -> str:
        return f"{self._name}: " if self._name else ""


def _is_cancelled() -> bool:
    """Whether it is the host that is to end, and not only its tunnel."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


def _sentence(error: Exception) -> str:
    text = str(error).rstrip(".")
    return f"{text[:1].upper()}{text[1:]}."


def _address(url: str) -> str:
    """The address of this machine on the way to the portal; "" inside a container, whose own address says nothing."""
    if Path("/.dockerenv").exists():
        return ""
    parts = urlsplit(url)
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect((parts.hostname or "", parts.port or 443))
            return str(probe.getsockname()[0])
    except OSError:
        return ""
