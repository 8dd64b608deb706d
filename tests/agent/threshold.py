"""A door with an engine behind it, and a client that may say whatever bytes it likes."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from corral_agent.door import replies
from corral_agent.door.flow import Sink
from corral_agent.door.relay import Door
from corral_agent.engine import LocalEngine
from tests.agent.fake_engine import FakeEngine


class Threshold:
    """`engine.asked` is what got through."""

    def __init__(self, folder: Path, engine: FakeEngine) -> None:
        self.engine = engine
        self.path = str(folder / "door.sock")

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_unix_connection(self.path)

    async def say(self, data: bytes | str, patience: float = 5.0) -> bytes:
        """Send it, and read until the door closes, or until nothing has come for a moment after an answer."""
        reader, writer = await self.open()
        writer.write(data if isinstance(data, bytes) else data.replace("\n", "\r\n").encode())
        got = b""
        with contextlib.suppress(TimeoutError, OSError):
            while piece := await asyncio.wait_for(reader.read(65536), 0.15 if got else patience):
                got += piece
        writer.close()
        return got

    async def refused(self, data: bytes | str) -> tuple[int, str]:
        """Status and words of an answer that is the door's own; nothing may have reached the engine."""
        before = len(self.engine.asked)
        head, _, body = (await self.say(data)).partition(b"\r\n\r\n")
        assert self.engine.asked[before:] == []
        assert b"Connection: close" in head
        return int(head.split()[1]), json.loads(body)["message"]


async def own(where: str, query: str, sink: Sink) -> None:
    await replies.send_json(sink, 200, {"own": where, "query": query})


@contextlib.asynccontextmanager
async def threshold(folder: Path, *, read_only: bool = False) -> AsyncIterator[Threshold]:
    async with FakeEngine(folder) as engine:
        made = Threshold(folder, engine)
        door = Door(LocalEngine(engine.path).open, own, read_only=read_only)
        server = await asyncio.start_unix_server(door.serve, made.path, limit=2**20)
        try:
            yield made
        finally:
            server.close()
            await server.wait_closed()


Knock = Callable[[Callable[[Threshold], Awaitable[None]]], None]
