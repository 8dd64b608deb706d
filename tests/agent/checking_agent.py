"""An agent that makes health checks of an engine in memory, and one check of its document."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from corral_agent.agent_api import AgentApi
from corral_agent.documents import DocumentHandler, HostDocuments
from corral_agent.engine_proxy.proxy import EngineProxy
from corral_agent.event_watcher import EventWatcher
from corral_agent.journal import Journal
from corral_agent.simulated.engine import SimulatedEngine

LABEL = "io.rancher.container.uuid"


class CheckingAgent:
    """An agent's API on a socket, before an engine in memory."""

    def __init__(
        self, folder: Path, handlers: Mapping[str, DocumentHandler] | None = None, *, read_only: bool = False
    ) -> None:
        self.engine = SimulatedEngine("s1", "SIM:1")
        self.runner, journal = self.engine.check_runner(), Journal(folder)
        watcher = EventWatcher(self.engine, journal)
        self.documents = HostDocuments(folder, handlers or {})
        api = AgentApi(self.engine, journal, watcher, self.runner, self.documents, read_only=read_only)
        self.proxy = EngineProxy(self.engine.open, api, api.put, read_only=read_only)
        self.path = str(folder / "own.sock")
        self._writers: list[asyncio.StreamWriter] = []

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Serve on the socket; at the end nothing of it is left open."""
        serving = set[asyncio.Task[None]]()
        server = await asyncio.start_unix_server(
            lambda reader, writer: serving.add(asyncio.ensure_future(self.proxy.serve(reader, writer))), self.path
        )
        try:
            async with asyncio.timeout(60):
                yield
        finally:
            self.runner.close()
            server.close()
            for writer in self._writers:
                writer.close()
            for task in serving:
                task.cancel()
            await asyncio.gather(*serving, return_exceptions=True)
            for _ in range(3):  # transports close in the loop's next rounds
                await asyncio.sleep(0)

    def run_container(self, uuid: str) -> Any:
        """A container that runs, with the portal's label."""
        made = self.engine.containers.create(f"box-{uuid}", {"Image": "sim:a", "Labels": {LABEL: uuid}})
        self.engine.containers.start(made)
        return made

    async def _send(self, head: str, body: bytes = b"") -> asyncio.StreamReader:
        reader, writer = await asyncio.open_unix_connection(self.path)
        self._writers.append(writer)
        writer.write(f"{head}\r\n\r\n".encode() + body)
        return reader

    async def put(self, document: Any, path: str = "checks", method: str = "PUT", size: int = 0) -> tuple[int, Any]:
        body = json.dumps(document).encode()
        reader = await self._send(f"{method} /corral/v1/{path} HTTP/1.0\r\nContent-Length: {size or len(body)}", body)
        head, _, answer = (await reader.read()).partition(b"\r\n\r\n")
        return int(head.split()[1]), json.loads(answer)

    async def lines(self, path: str = "checks") -> AsyncIterator[dict[str, Any]]:
        async for line in await self._send(f"GET /corral/v1/{path} HTTP/1.0"):
            if line.startswith(b"{"):
                yield json.loads(line)

    async def until(self, state: str, key: str = "a") -> None:
        async for found in self.lines():
            if found["states"].get(key, {}).get("state") == state:
                return


def check(key: str, **fields: Any) -> dict[str, Any]:
    return {
        "id": key, "run": "1", "address": "10.0.0.2", "subnet": "", "port": 80, "interval": 100, "timeout": 100,
        "healthyThreshold": 1, "unhealthyThreshold": 1, "initializing": 60_000, **fields,
    }  # fmt: skip
