"""Requests that never stop, over new connections and over ones that are kept open, and what became of each."""

from __future__ import annotations

import asyncio
import ssl
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field

TIMEOUT = 15.0
_FAILURES = (OSError, asyncio.TimeoutError, asyncio.IncompleteReadError, ValueError)


@dataclass
class SteadyLoad:
    """What was counted: requests answered with 200, by their client, and every other outcome in words."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None
    new: int = 4
    kept: int = 4
    pause: float = 0.04
    done: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    bodies: Counter[str] = field(default_factory=Counter)
    over: threading.Event = field(default_factory=threading.Event)

    def summary(self, what: str) -> str:
        """One line for the log of the tests."""
        counts = f"{self.done['new']} on new and {self.done['kept']} on kept connections"
        return f"{what}: {sum(self.done.values())} requests ({counts}), {len(self.failures)} failed"

    async def run(self) -> None:
        """Send until it is over."""
        await asyncio.gather(
            *(self._new_connections() for _ in range(self.new)), *(self._kept_connection() for _ in range(self.kept))
        )

    async def _new_connections(self) -> None:
        while not self.over.is_set():
            began = time.monotonic()
            try:
                async with self._connection() as streams:
                    await self._ask(*streams, "close")
                self.done["new"] += 1
            except _FAILURES as error:
                self.failures.append(f"new, after {time.monotonic() - began:.2f} s: {error!r}")
            await asyncio.sleep(self.pause)

    async def _kept_connection(self) -> None:
        """One connection for as long as the server does not say that it closes it; each request is sent once."""
        while not self.over.is_set():
            began = time.monotonic()
            try:
                async with self._connection() as streams:
                    is_kept = True
                    while is_kept and not self.over.is_set():
                        is_kept = await self._ask(*streams, "keep-alive")
                        self.done["kept"] += 1
                        await asyncio.sleep(self.pause)
            except _FAILURES as error:
                self.failures.append(f"kept, after {time.monotonic() - began:.2f} s: {error!r}")

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        opening = asyncio.open_connection(self.host, self.port, ssl=self.tls)
        reader, writer = await asyncio.wait_for(opening, TIMEOUT)
        try:
            yield reader, writer
        finally:
            writer.close()
            with suppress(*_FAILURES):  # an encrypted connection says good-bye, which need not be answered
                await asyncio.wait_for(writer.wait_closed(), 1)

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: str) -> bool:
        """One request; whether the connection stays open. Raises for anything but a whole answer of 200."""
        writer.write(f"GET /index.html HTTP/1.1\r\nHost: a.com\r\nConnection: {connection}\r\n\r\n".encode())
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), TIMEOUT)
        lines = head.decode("latin-1").lower().split("\r\n")
        if not lines[0].startswith("http/1.1 200"):
            raise ValueError(lines[0])
        fields = dict(line.split(": ", 1) for line in lines[1:] if ": " in line)
        size = fields.get("content-length")
        body = await asyncio.wait_for(reader.readexactly(int(size)) if size else reader.read(), TIMEOUT)
        self.bodies[body.decode("latin-1").strip()] += 1
        return size is not None and fields.get("connection") != "close"


@contextmanager
def steady_load(load: SteadyLoad) -> Iterator[SteadyLoad]:
    """The load goes on in a thread of its own until the block ends."""
    thread = threading.Thread(target=lambda: asyncio.run(load.run()))
    thread.start()
    try:
        yield load
    finally:
        load.over.set()
        with suppress(RuntimeError):
            thread.join(60)
