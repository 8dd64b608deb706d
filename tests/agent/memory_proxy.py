"""An engine proxy in memory: its input, its answers, and what reaches the engine behind it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from corral_agent.engine_proxy import responses
from corral_agent.engine_proxy.proxy import EngineProxy
from corral_agent.engine_proxy.streams import Sink, Source
from tests.agent.memory_streams import RecordingSink, ScriptedSource

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK"


@dataclass
class ProxyRun:
    """One run: `engine` holds what each of the engine's connections got, `portal` what the portal received."""

    engine: list[RecordingSink] = field(default_factory=list)
    portal: RecordingSink = field(default_factory=RecordingSink)
    agent_requests: list[tuple[str, str]] = field(default_factory=list)

    @property
    def status(self) -> int:
        return int(self.portal.data.split()[1])


def run_proxy(
    pieces: list[bytes],
    *answers: bytes,
    read_only: bool = False,
    engine_error: OSError | None = None,
    keep_open: bool = True,
) -> ProxyRun:
    """What a proxy makes of these bytes; the engine answers its connections in turn, the last answer again and again.

    Unless it `keep_open`, the portal disconnects after the last byte.
    """
    result = ProxyRun()
    remaining = list(answers or (OK,))

    async def engine() -> tuple[Source, Sink]:
        if engine_error is not None:
            raise engine_error
        result.engine.append(RecordingSink())
        return YieldingSource([remaining.pop(0) if len(remaining) > 1 else remaining[0]]), result.engine[-1]

    async def agent_requests(where: str, query: str, sink: Sink) -> None:
        result.agent_requests.append((where, query))
        await responses.send_json(sink, 200, {})

    async def main() -> None:
        engine_proxy = EngineProxy(engine, agent_requests, read_only=read_only)
        serving = asyncio.ensure_future(engine_proxy.serve(LingeringSource(pieces, keep_open=keep_open), result.portal))
        await asyncio.wait_for(serving, 10)

    asyncio.run(main())
    return result


class LingeringSource(ScriptedSource):
    """A source that ends only when nothing else happens: as a portal that waits for its answers."""

    def __init__(self, pieces: list[bytes], *, keep_open: bool) -> None:
        super().__init__(pieces)
        self._stays = keep_open

    async def read(self, n: int = -1, /) -> bytes:
        if not self._pieces and self._stays:
            for _ in range(100):
                await asyncio.sleep(0)
        return await super().read(n)


class YieldingSource(ScriptedSource):
    """A source that lets others go first: as an engine that reads a request before it answers."""

    async def read(self, n: int = -1, /) -> bytes:
        for _ in range(5):
            await asyncio.sleep(0)
        return await super().read(n)
