"""The engine on this host and the machine around it, as the rest of the agent uses them."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from corral_agent import counters, machine
from corral_agent.cgroups import ContainerCgroups
from corral_agent.counters import Sample
from corral_agent.documents import DocumentHandler
from corral_agent.engine_proxy import http_head
from corral_agent.engine_proxy.streams import MessageReader, Sink, Source
from corral_agent.metadata.server import MetadataHandler
from corral_agent.names.handler import NamesHandler
from corral_agent.network.handler import NetworkHandler, OffHandler
from corral_agent.network.preflight_handler import OffPreflightHandler, PreflightHandler
from health_checks.runner import CheckRunner

_TIMEOUT = 10.0
_CONNECT_TIMEOUT = 5.0
_NETWORK_OFF = "The agent runs with CORRAL_NETWORK=off."


class EngineUnreachable(Exception):
    """The engine does not answer; `str()` says what happened."""


class Engine(Protocol):
    """The engine behind an agent: a real one, or one in memory."""

    simulated: bool

    async def open(self) -> tuple[Source, Sink]:
        """A new connection to the engine's HTTP. Raises `OSError`."""

    def machine(self) -> Sample:
        """The whole machine's counters. Raises `OSError`."""

    def sample_containers(self) -> dict[str, Sample]:
        """The running containers' counters, as far as they are visible from here."""

    def facts(self, info: dict[str, Any]) -> dict[str, Any]:
        """The facts of the host, given the engine's /info."""

    def check_runner(self) -> CheckRunner:
        """A runner for health checks of this engine's containers."""

    def document_handlers(self, folder: Path) -> Mapping[str, DocumentHandler]:
        """What applies the portal's documents on this host, by their names; `folder` is where state may be kept."""


class LocalEngine:
    """The engine behind a unix socket of this machine."""

    simulated = False

    def __init__(self, path: str, *, network: bool = True) -> None:
        self._path, self._network = path, network
        self._groups = ContainerCgroups()

    async def open(self) -> tuple[Source, Sink]:
        """A new connection. Raises `OSError`."""
        async with asyncio.timeout(_CONNECT_TIMEOUT):
            return await asyncio.open_unix_connection(self._path)

    def machine(self) -> Sample:
        """The machine's own counters."""
        return counters.read_machine()

    def sample_containers(self) -> dict[str, Sample]:
        """Read from their control groups."""
        return self._groups.samples()

    def facts(self, info: dict[str, Any]) -> dict[str, Any]:
        """Read from the kernel's files and the engine's answer."""
        return machine.read_host_facts(info)

    def check_runner(self) -> CheckRunner:
        """Checks over the network of this machine."""
        return CheckRunner()

    def document_handlers(self, folder: Path) -> Mapping[str, DocumentHandler]:
        """Those of this machine."""
        return {
            "metadata": MetadataHandler(),
            "names": NamesHandler(off="" if self._network else _NETWORK_OFF),
            "network": NetworkHandler(folder, self.open) if self._network else OffHandler(_NETWORK_OFF),
            "preflight": PreflightHandler() if self._network else OffPreflightHandler(_NETWORK_OFF),
        }


@contextlib.asynccontextmanager
async def stream_get(engine: Engine, path: str) -> AsyncIterator[MessageReader]:
    """A GET that was answered with 200; the reader reads its body. Raises `EngineUnreachable`."""
    try:
        source, sink = await engine.open()
    except OSError as error:
        raise EngineUnreachable(f"the engine cannot be reached: {error.strerror or error}") from None
    try:
        sink.write(f"GET {path} HTTP/1.0\r\nHost: engine\r\n\r\n".encode())
        await sink.drain()
        reader = MessageReader(source)
        async with asyncio.timeout(_TIMEOUT):
            status = http_head.parse_response(await reader.head()).status
        if status != 200:
            raise EngineUnreachable(f"the engine answered with HTTP status {status}")
        yield reader
    except (OSError, http_head.BadMessage) as error:
        raise EngineUnreachable(f"the engine does not answer: {error or 'it did not answer in time'}") from None
    finally:
        sink.close()


async def get_json(engine: Engine, path: str) -> Any:
    """The engine's JSON answer to a GET, read whole. Raises `EngineUnreachable`."""
    async with stream_get(engine, path) as reader:
        try:
            async with asyncio.timeout(_TIMEOUT):
                return json.loads(b"".join([piece async for piece in reader.read_to_end()]))
        except ValueError:
            raise EngineUnreachable("the engine's answer is not JSON") from None
