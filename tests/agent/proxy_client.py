"""An engine proxy with an engine behind it, and a client that sends it any bytes."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from corral_agent.engine import LocalEngine
from corral_agent.engine_proxy import responses
from corral_agent.engine_proxy.proxy import EngineProxy
from corral_agent.engine_proxy.streams import Sink
from tests.agent.fake_engine import FakeEngine


class ProxyClient:
    """`engine.requests` is what got through."""

    def __init__(self, folder: Path, engine: FakeEngine) -> None:
        self.engine = engine
        self.path = str(folder / "door.sock")

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_unix_connection(self.path)

    async def send_raw(self, data: bytes | str, seconds: float = 5.0) -> bytes:
        """Send it, and read until the proxy closes, or until nothing has come for a moment after an answer."""
        reader, writer = await self.open()
        writer.write(data if isinstance(data, bytes) else data.replace("\n", "\r\n").encode())
        got = b""
        with contextlib.suppress(TimeoutError, OSError):
            while piece := await asyncio.wait_for(reader.read(65536), 0.15 if got else seconds):
                got += piece
        writer.close()
        return got

    async def read_refusal(self, data: bytes | str) -> tuple[int, str]:
        """Status and message of an answer of the proxy itself; nothing may have reached the engine."""
        before = len(self.engine.requests)
        head, _, body = (await self.send_raw(data)).partition(b"\r\n\r\n")
        assert self.engine.requests[before:] == []
        assert b"Connection: close" in head
        return int(head.split()[1]), json.loads(body)["message"]


async def answer_agent_api(where: str, query: str, sink: Sink) -> None:
    await responses.send_json(sink, 200, {"own": where, "query": query})


@contextlib.asynccontextmanager
async def serve_proxy(folder: Path, *, read_only: bool = False) -> AsyncIterator[ProxyClient]:
    async with FakeEngine(folder) as engine:
        made = ProxyClient(folder, engine)
        engine_proxy = EngineProxy(LocalEngine(engine.path).open, answer_agent_api, read_only=read_only)
        server = await asyncio.start_unix_server(engine_proxy.serve, made.path, limit=2**20)
        try:
            yield made
        finally:
            server.close()
            await server.wait_closed()


RunProxyScenario = Callable[[Callable[[ProxyClient], Awaitable[None]]], None]
