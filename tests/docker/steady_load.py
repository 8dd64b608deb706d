"""Requests that never stop, over new connections and over ones that are kept open, and what became of each."""

from __future__ import annotations

import asyncio
import ssl
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from typing import Self

TIMEOUT = 30.0
_FAILURES = (OSError, asyncio.TimeoutError, asyncio.IncompleteReadError, ValueError)


class SpreadAddresses:
    """Several addresses of one service: those whose check answers 200 are used in turn, as by a balancer in front."""

    def __init__(self, hosts: Sequence[str], port: int, path: str, pause: float = 0.1) -> None:
        self._hosts, self._port, self._path, self._pause = tuple(hosts), port, path, pause
        self._well: tuple[str, ...] = ()
        self._turn = 0
        self._over = threading.Event()

    def next(self) -> str:
        """The address for the next connection; empty when none is in use."""
        well = self._well
        self._turn += 1
        return well[self._turn % len(well)] if well else ""

    @contextmanager
    def checked(self) -> Iterator[Self]:
        """The addresses are checked again and again, each by a thread of its own, until the block ends."""
        state = dict.fromkeys(self._hosts, False)
        threads = [threading.Thread(target=self._check, args=(each, state)) for each in self._hosts]
        for each in threads:
            each.start()
        try:
            yield self
        finally:
            self._over.set()
            for each in threads:
                each.join(60)

    def _check(self, host: str, state: dict[str, bool]) -> None:
        while not self._over.wait(self._pause):
            state[host] = self._answers(host)
            self._well = tuple(each for each in self._hosts if state[each])

    def _answers(self, host: str) -> bool:
        connection = HTTPConnection(host, self._port, timeout=2)
        try:
            connection.request("GET", self._path)
            return connection.getresponse().status == 200
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()

    @property
    def count(self) -> int:
        """How many addresses are in use now."""
        return len(self._well)


@dataclass
class SteadyLoad:
    """What was counted: requests answered with 200, by their client, and every other outcome in words.

    With `spread` each new connection goes to the next of its addresses instead of `host`.
    """

    host: str
    port: int
    tls: ssl.SSLContext | None = None
    spread: SpreadAddresses | None = None
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
        reader, writer = await self._open()
        try:
            yield reader, writer
        finally:
            writer.close()
            with suppress(*_FAILURES):  # an encrypted connection says good-bye, which need not be answered
                await asyncio.wait_for(writer.wait_closed(), 1)

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection; where an address refuses it, nothing was sent yet, and another may be used."""
        refused = OSError("no address is in use")
        for _ in range(3):
            host = self.spread.next() if self.spread else self.host
            if host:
                try:
                    return await asyncio.wait_for(asyncio.open_connection(host, self.port, ssl=self.tls), TIMEOUT)
                except ConnectionRefusedError as error:
                    refused = error
            if self.spread is None:
                break
        raise refused

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
