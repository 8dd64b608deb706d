"""An engine with scripted answers that records its requests."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

Respond = Callable[[asyncio.StreamReader, asyncio.StreamWriter, bytes], Awaitable[None]]


def reply(body: bytes, status: str = "200 OK", *fields: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *fields, "", ""]).encode() + body


class FakeEngine:
    """On a unix socket; `requests` holds the heads it got with what came at once after them."""

    def __init__(self, folder: Path) -> None:
        self.path = str(folder / "engine.sock")
        self.requests: list[bytes] = []
        self.info: dict[str, Any] = {"ID": "ENGINE:1", "Name": "box", "ServerVersion": "20.10.24"}
        self.labels: dict[str, str] = {}
        self.respond: Respond | None = None
        self.open = 0

    async def __aenter__(self) -> FakeEngine:
        self._server = await asyncio.start_unix_server(self._serve, self.path)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            await self._answer(head, reader, writer)
        self.open -= 1
        writer.close()

    async def _answer(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        target = head.split()[1].decode()
        if "/events" in target:
            writer.write(b"HTTP/1.0 200 OK\r\n\r\n")
            await reader.read()
            return
        if target == "/info":
            writer.write(reply(json.dumps(self.info).encode(), "200 OK", "Connection: close"))
            return
        self.requests.append(head)
        if target.endswith("/containers/web/json"):
            writer.write(reply(json.dumps({"Id": "f" * 64, "Config": {"Labels": self.labels}}).encode()))
        elif self.respond is not None:
            await self.respond(reader, writer, head)
        else:
            writer.write(reply(b"OK"))
        await writer.drain()
