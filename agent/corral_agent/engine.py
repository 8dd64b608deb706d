"""The engine on this host and the machine around it, as the rest of the agent asks for them."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any, Protocol

from corral_agent import counters, machine
from corral_agent.cgroups import Groups
from corral_agent.counters import Sample
from corral_agent.door import head
from corral_agent.door.flow import Reader, Sink, Source

_TIMEOUT = 10.0
_CONNECT_TIMEOUT = 5.0


class EngineAway(Exception):
    """The engine does not answer; `str()` says what happened."""


class Engine(Protocol):
    """What an agent stands in front of: a real engine, or one in memory."""

    simulated: bool

    async def open(self) -> tuple[Source, Sink]:
        """A new connection to the engine's HTTP. Raises `OSError`."""

    def machine(self) -> Sample:
        """The whole machine's counters. Raises `OSError`."""

    def containers(self) -> dict[str, Sample]:
        """The running containers' counters, as far as they can be seen from here."""

    def facts(self, info: dict[str, Any]) -> dict[str, Any]:
        """What the host is, given the engine's /info."""


class LocalEngine:
    """The engine behind a unix socket of this machine."""

    simulated = False

    def __init__(self, path: str) -> None:
        self._path = path
        self._groups = Groups()

    async def open(self) -> tuple[Source, Sink]:
        """A new connection. Raises `OSError`."""
        async with asyncio.timeout(_CONNECT_TIMEOUT):
            return await asyncio.open_unix_connection(self._path)

    def machine(self) -> Sample:
        """The machine's own counters."""
        return counters.machine()

    def containers(self) -> dict[str, Sample]:
        """Out of their control groups."""
        return self._groups.samples()

    def facts(self, info: dict[str, Any]) -> dict[str, Any]:
        """Out of the kernel's files and the engine's answer."""
        return machine.facts(info)


@contextlib.asynccontextmanager
async def opened(engine: Engine, path: str) -> AsyncIterator[Reader]:
    """A GET whose good answer has begun; what can be read is its body. Raises `EngineAway`."""
    try:
        source, sink = await engine.open()
    except OSError as error:
        raise EngineAway(f"the engine cannot be reached: {error.strerror or error}") from None
    try:
        sink.write(f"GET {path} HTTP/1.0\r\nHost: engine\r\n\r\n".encode())
        await sink.drain()
        reader = Reader(source)
        async with asyncio.timeout(_TIMEOUT):
            status = head.reply(await reader.head()).status
        if status != 200:
            raise EngineAway(f"the engine answered with HTTP status {status}")
        yield reader
    except (OSError, head.BadMessage) as error:
        raise EngineAway(f"the engine does not answer: {error or 'nothing came in time'}") from None
    finally:
        sink.close()


async def get(engine: Engine, path: str) -> Any:
    """A short JSON answer of the engine. Raises `EngineAway`."""
    async with opened(engine, path) as reader:
        try:
            async with asyncio.timeout(_TIMEOUT):
                return json.loads(b"".join([piece async for piece in reader.rest()]))
        except ValueError:
            raise EngineAway("the engine's answer is no JSON") from None
