"""The agent of one host: registers it once, then keeps its tunnel to the portal connected."""

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

from corral_agent import keys, registration
from corral_agent.agent_api import AgentApi
from corral_agent.documents import HostDocuments
from corral_agent.engine import Engine, EngineUnreachable, get_json
from corral_agent.engine_proxy.proxy import EngineProxy
from corral_agent.event_watcher import EventWatcher
from corral_agent.journal import Journal
from corral_agent.options import Options
from corral_agent.registration import CannotRegister, PortalUnreachable
from corral_agent.state import Store
from corral_agent.threads import run_in_thread
from corral_agent.tunnel import PortalTunnel, TunnelClosed, TunnelRefused

log = logging.getLogger("corral_agent")

_MIN_PAUSE, _MAX_PAUSE = 1.0, 30.0
_REFUSED_RETRY_DELAY = 60.0
_STABLE_AFTER = 60.0  # a tunnel that lived this long ends the row of failures


@dataclass
class Backoff:
    """Pauses that double, each random between zero and its length, so that many agents do not reconnect at once."""

    pause: float = _MIN_PAUSE

    def next(self) -> float:
        """The next pause, in seconds."""
        length, self.pause = self.pause, min(self.pause * 2, _MAX_PAUSE)
        return random.uniform(0, length)  # noqa: S311 - spreads load, guards nothing

    def reset(self) -> None:
        """Begin with short pauses again."""
        self.pause = _MIN_PAUSE


class HostAgent:
    """Registers, connects and reconnects one host; `name` is "" for the machine itself."""

    def __init__(self, options: Options, engine: Engine, folder: Path, name: str = "") -> None:
        self._options, self._engine, self._name = options, engine, name
        self._store = Store(folder)
        self.journal = Journal(folder)
        self._watcher = EventWatcher(engine, self.journal)
        self._checks = engine.check_runner()
        self._documents = HostDocuments(folder, engine.document_handlers(folder))
        agent_api = AgentApi(
            engine, self.journal, self._watcher, self._checks, self._documents, name=name, read_only=options.read_only
        )
        self._proxy = EngineProxy(engine.open, agent_api, agent_api.put, read_only=options.read_only)
        self._backoff = Backoff()
        self._may_connect = asyncio.Event()
        self._may_connect.set()
        self._connecting: asyncio.Future[None] | None = None
        self._tunnel: PortalTunnel | None = None
        self._severed_socket: socket.socket | None = None

    async def run(self) -> None:
        """Run until cancelled. Raises `BadState`, and `CannotRegister` without a credential or a way to get one."""
        self._store.check()
        self.journal.add("agent", "started")
        watching = asyncio.ensure_future(self._watcher.run())
        if not self._options.read_only:
            self._documents.start()
        try:
            await self._register()
            await self._stay_connected()
        finally:
            watching.cancel()
            self._checks.close()
            await self._documents.close()
            await asyncio.gather(watching, return_exceptions=True)
            self._close_severed_socket()
            self.journal.add("agent", "stopped")
            self.journal.close()

    async def _register(self) -> None:
        if not self._store.state.private_key:
            self._store.update(private_key=keys.create_private_key())
        attempts = registration.RegistrationAttempts()
        while registration.is_registration_needed(self._store.state, self._options.url):
            try:
                await self._register_once(attempts)
            except (PortalUnreachable, EngineUnreachable) as error:
                pause = self._backoff.next()
                log.warning(
                    "%snot registered yet: %s Trying again in %.0f s.", self._log_prefix, _sentence(error), pause
                )
                await asyncio.sleep(pause)
            except CannotRegister as error:
                if not self._store.state.access_key:
                    raise
                log.warning("%s%s The previous credential is used.", self._log_prefix, _sentence(error))
                break
        self._backoff.reset()

    async def _register_once(self, attempts: registration.RegistrationAttempts) -> None:
        options, state = self._options, self._store.state
        if not options.url:
            raise CannotRegister("This host is not registered: give the registration URL that the portal shows.")
        facts = await self._facts()
        call = partial(registration.register, options.url, options.ca, state.private_key, facts, attempts)
        answer = await run_in_thread(call)
        state = self._store.update(**answer, engine_id=facts["engineId"], refused=False)
        log.info("%sregistered as host %s", self._log_prefix, state.host_id)

    async def _facts(self) -> dict[str, Any]:
        info = await get_json(self._engine, "/info")
        return {
            "hostname": self._name or str(info.get("Name") or socket.gethostname()),
            "address": self._options.address or _local_address(self._options.url),
            "labels": dict(self._options.labels),
            "engineId": str(info.get("ID") or ""),
            "simulated": self._engine.simulated,
        }

    def disconnect(self) -> None:
        """Drop the tunnel as a pulled cable does, without telling the portal, and dial no other until `reconnect`."""
        self._may_connect.clear()
        if self._tunnel is not None:
            self._severed_socket = self._tunnel.drop_silently() or self._severed_socket
        if self._connecting is not None:
            self._connecting.cancel()

    def reconnect(self) -> None:
        """Close what `disconnect` left open, and dial again."""
        self._close_severed_socket()
        self._may_connect.set()

    def _close_severed_socket(self) -> None:
        if self._severed_socket is not None:
            self._severed_socket.close()
            self._severed_socket = None

    async def _stay_connected(self) -> None:
        while True:
            pause = 0.0
            try:
                await self._may_connect.wait()
                self._connecting = asyncio.ensure_future(self._connect_once())
                await self._connecting
            except asyncio.CancelledError:
                if _is_cancelled():
                    raise
            except TunnelRefused as error:
                self._store.update(refused=True)
                log.warning(
                    "%s%s To connect it again, run the command of the portal's Add Host page.",
                    self._log_prefix,
                    _sentence(error),
                )
                pause = _REFUSED_RETRY_DELAY
            except TunnelClosed as error:
                pause = 0.0 if error.restart else self._backoff.next()
                log.warning("%sdisconnected: %s Dialling again in %.1f s.", self._log_prefix, _sentence(error), pause)
            await asyncio.sleep(pause)

    async def _connect_once(self) -> None:
        state, loop = self._store.state, asyncio.get_running_loop()
        tunnel = self._tunnel = PortalTunnel(
            url=state.tunnel_url,
            credential=(state.access_key, state.secret_key),
            private_key=state.private_key,
            portal_key=state.portal_key,
            tls=registration.tls_context(self._options.ca) if state.tunnel_url.startswith("wss:") else None,
        )
        connected_at = float("inf")

        def on_connected() -> None:
            nonlocal connected_at
            connected_at = loop.time()
            self._connected()

        try:
            await tunnel.run(self._proxy.serve, on_connected)
        finally:
            self._tunnel = None
            if connected_at < float("inf"):
                self.journal.add("agent", "disconnected")
            if loop.time() - connected_at > _STABLE_AFTER:
                self._backoff.reset()

    def _connected(self) -> None:
        if self._store.state.refused:
            self._store.update(refused=False)
        self.journal.add("agent", "connected")
        log.info("%sconnected", self._log_prefix)

    @property
    def _log_prefix(self) -> str:
        return f"{self._name}: " if self._name else ""


def _is_cancelled() -> bool:
    """Whether the whole agent is to end, and not only its tunnel."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


def _sentence(error: Exception) -> str:
    text = str(error).rstrip(".")
    return f"{text[:1].upper()}{text[1:]}."


def _local_address(url: str) -> str:
    """The machine's address on its route to the portal; "" in a container, whose own address is of no use."""
    if Path("/.dockerenv").exists():
        return ""
    parts = urlsplit(url)
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect((parts.hostname or "", parts.port or 443))
            return str(probe.getsockname()[0])
    except OSError:
        return ""
