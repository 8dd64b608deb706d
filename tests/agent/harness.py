"""An agent between a fake portal and a fake engine."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

from corral_agent.engine import LocalEngine
from corral_agent.host_agent import HostAgent
from corral_agent.options import Options
from tests.agent.fake_engine import FakeEngine
from tests.agent.fake_portal import SOCKET, FakePortal


class AgentHarness:
    """A portal, an engine and the agent between them."""

    def __init__(self, folder: Path, portal: FakePortal, engine: FakeEngine) -> None:
        self.folder, self.portal, self.engine = folder, portal, engine
        self.host: HostAgent | None = None

    @contextlib.asynccontextmanager
    async def agent(self, url: str | None = None) -> AsyncIterator[asyncio.Task[None]]:
        options = Options(url=self.portal.url if url is None else url, address="192.0.2.7", labels={"a": "b"})
        self.host = HostAgent(options, LocalEngine(self.engine.path), self.folder / "state")
        running = asyncio.create_task(self.host.run())
        try:
            yield running
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    @property
    def state(self) -> dict[str, Any]:
        return json.loads((self.folder / "state" / "agent.json").read_text())

    async def request(self, head: str, number: int = 1) -> bytes:
        reader, writer = await (await self.portal.tunnel(number)).open_unix_connection(SOCKET)
        writer.write(head.replace("\n", "\r\n").encode() + b"\r\n\r\n")
        return await asyncio.wait_for(reader.read(), 60)


RunScenario = Callable[[Callable[[AgentHarness], Awaitable[None]]], None]
