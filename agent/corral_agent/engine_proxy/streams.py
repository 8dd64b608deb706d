"""Bytes between two peers: heads, bodies of every framing, and both ways at once."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from typing import Protocol

from corral_agent.engine_proxy.http_head import HEAD_LIMIT, BadMessage

CHUNK = 65536
_SIZE = re.compile(rb"[0-9A-Fa-f]{1,15}")


class Source(Protocol):
    """Where bytes come from: asyncio's reader or asyncssh's."""

    async def read(self, n: int = -1, /) -> bytes: ...


class Sink(Protocol):
    """Where bytes go to."""

    def write(self, data: bytes, /) -> None: ...
    async def drain(self) -> None: ...
    def write_eof(self) -> None: ...
    def close(self) -> None: ...


class MessageReader:
    """A source with a buffer for what was read ahead."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._buffer = b""

    async def _fill(self) -> bool:
        piece = await self._source.read(CHUNK)
        self._buffer += piece
        return bool(piece)

    async def read_some(self, limit: int = CHUNK) -> bytes:
        """At least one byte, at most `limit`; b"" at the end."""
        if not self._buffer and not await self._fill():
            return b""
        got, self._buffer = self._buffer[:limit], self._buffer[limit:]
        return got

    async def until(self, mark: bytes, limit: int) -> bytes:
        """The bytes before `mark`, which is consumed too; b"" if the peer ends before any. Raises `BadMessage`."""
        while (at := self._buffer.find(mark)) < 0:
            if len(self._buffer) >= limit + len(mark):
                raise BadMessage(f"more than {limit} bytes without an end", 431)
            if not await self._fill():
                if self._buffer:
                    raise BadMessage("the connection ended in the middle of a message")
                return b""
        if at > limit:
            raise BadMessage(f"more than {limit} bytes without an end", 431)
        got, self._buffer = self._buffer[:at], self._buffer[at + len(mark) :]
        return got

    async def head(self) -> bytes:
        """The next message's head; b"" when no more comes."""
        return await self.until(b"\r\n\r\n", HEAD_LIMIT)

    async def wait_closed(self) -> None:
        """Return once the peer has closed; what it sends meanwhile is buffered, up to the size of one head."""
        while len(self._buffer) <= HEAD_LIMIT:
            if not await self._fill():
                return
        await asyncio.Event().wait()

    async def read_exactly(self, length: int) -> AsyncIterator[bytes]:
        """Exactly `length` bytes in pieces. Raises `BadMessage` when the peer ends earlier."""
        while length:
            piece = await self.read_some(min(length, CHUNK))
            if not piece:
                raise BadMessage("the connection ended in the middle of a body")
            length -= len(piece)
            yield piece

    async def read_chunked(self) -> AsyncIterator[bytes]:
        """The payload of a chunked body; trailers are refused. Raises `BadMessage`."""
        while size := self._size(await self.until(b"\r\n", 256)):
            async for piece in self.read_exactly(size):
                yield piece
            await self._line_end()
        await self._line_end()

    async def _line_end(self) -> None:
        """Consume a line's end: anything else is a chunk longer than announced, or a trailer."""
        async for piece in self.read_exactly(2):
            if piece.strip(b"\r\n"):
                raise BadMessage("a chunk does not end where its size says")

    @staticmethod
    def _size(line: bytes) -> int:
        if not _SIZE.fullmatch(line):
            raise BadMessage("a chunk's size is not a number")
        return int(line, 16)

    async def read_to_end(self) -> AsyncIterator[bytes]:
        """Everything until the peer ends."""
        while piece := await self.read_some():
            yield piece


async def forward(source: AsyncIterator[bytes], sink: Sink, *, chunked: bool = False) -> None:
    """Send all of `source`, in chunks if asked; waits while the sink is full."""
    async for piece in source:
        sink.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
        await sink.drain()
    if chunked:
        sink.write(b"0\r\n\r\n")
        await sink.drain()


async def duplex(one: MessageReader, to_one: Sink, other: MessageReader, to_other: Sink) -> None:
    """Carry both directions until `other` ends; an end of `one` is passed on, and the other direction continues."""

    async def send_up() -> None:
        await forward(one.read_to_end(), to_other)
        to_other.write_eof()

    sending = asyncio.ensure_future(send_up())
    try:
        await forward(other.read_to_end(), to_one)
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)


@contextlib.asynccontextmanager
async def cancel_on_disconnect(reader: MessageReader, after: asyncio.Future[None] | None = None) -> AsyncIterator[None]:
    """Break the block off with `ConnectionResetError` as soon as the peer disconnects."""
    working = asyncio.current_task()
    has_left = False

    async def watch_peer() -> None:
        nonlocal has_left
        if after is not None:
            await asyncio.wait([after])
        if after is None or not isinstance(after.exception(), BadMessage):
            await reader.wait_closed()
        has_left = True
        if working is not None:
            working.cancel()

    watching = asyncio.ensure_future(watch_peer())
    try:
        yield
    except asyncio.CancelledError:
        if has_left and working is not None:
            working.uncancel()
            raise ConnectionResetError("the portal has disconnected") from None
        raise
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
