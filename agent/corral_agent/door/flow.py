"""Bytes between two peers: heads, bodies of every framing, and both ways at once."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from typing import Protocol

from corral_agent.door.head import HEAD_LIMIT, BadMessage

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


class Reader:
    """A source with what was read too far."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._held = b""

    async def _more(self) -> bool:
        piece = await self._source.read(CHUNK)
        self._held += piece
        return bool(piece)

    async def some(self, limit: int = CHUNK) -> bytes:
        """At least one byte, at most `limit`; b"" at the end."""
        if not self._held and not await self._more():
            return b""
        got, self._held = self._held[:limit], self._held[limit:]
        return got

    async def until(self, mark: bytes, limit: int) -> bytes:
        """What comes before `mark`, which is taken too; b"" if the peer ends before it begins. Raises `BadMessage`."""
        while (at := self._held.find(mark)) < 0:
            if len(self._held) >= limit + len(mark):
                raise BadMessage(f"more than {limit} bytes without an end", 431)
            if not await self._more():
                if self._held:
                    raise BadMessage("the connection ended in the middle of a message")
                return b""
        if at > limit:
            raise BadMessage(f"more than {limit} bytes without an end", 431)
        got, self._held = self._held[:at], self._held[at + len(mark) :]
        return got

    async def head(self) -> bytes:
        """The next message's head; b"" when no more comes."""
        return await self.until(b"\r\n\r\n", HEAD_LIMIT)

    async def gone(self) -> None:
        """Return once the peer has ended; what it sends meanwhile is kept, up to one head."""
        while len(self._held) <= HEAD_LIMIT:
            if not await self._more():
                return
        await asyncio.Event().wait()

    async def counted(self, length: int) -> AsyncIterator[bytes]:
        """Exactly `length` bytes in pieces. Raises `BadMessage` when they do not come."""
        while length:
            piece = await self.some(min(length, CHUNK))
            if not piece:
                raise BadMessage("the connection ended in the middle of a body")
            length -= len(piece)
            yield piece

    async def chunks(self) -> AsyncIterator[bytes]:
        """The payload of a chunked body; trailers are refused. Raises `BadMessage`."""
        while size := self._size(await self.until(b"\r\n", 256)):
            async for piece in self.counted(size):
                yield piece
            await self._line_end()
        await self._line_end()

    async def _line_end(self) -> None:
        """Nothing but a line's end: no longer chunk than was told, and no trailers."""
        async for piece in self.counted(2):
            if piece.strip(b"\r\n"):
                raise BadMessage("a chunk does not end where it said")

    @staticmethod
    def _size(line: bytes) -> int:
        if not _SIZE.fullmatch(line):
            raise BadMessage("a chunk's size is no number")
        return int(line, 16)

    async def rest(self) -> AsyncIterator[bytes]:
        """Everything until the peer ends."""
        while piece := await self.some():
            yield piece


async def pour(source: AsyncIterator[bytes], sink: Sink, *, chunked: bool = False) -> None:
    """Send all of `source`, in chunks if asked; waits while the sink is full."""
    async for piece in source:
        sink.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
        await sink.drain()
    if chunked:
        sink.write(b"0\r\n\r\n")
        await sink.drain()


async def duplex(one: Reader, to_one: Sink, other: Reader, to_other: Sink) -> None:
    """Carry both directions until the other side ends; an end of ours is passed on and not more."""

    async def up() -> None:
        await pour(one.rest(), to_other)
        to_other.write_eof()

    sending = asyncio.ensure_future(up())
    try:
        await pour(other.rest(), to_one)
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)


@contextlib.asynccontextmanager
async def until_gone(reader: Reader, after: asyncio.Future[None] | None = None) -> AsyncIterator[None]:
    """The block, broken off with `ConnectionResetError` as soon as the peer has gone."""
    working = asyncio.current_task()
    left = False

    async def look() -> None:
        nonlocal left
        if after is not None:
            await asyncio.wait([after])
        if after is None or not isinstance(after.exception(), BadMessage):
            await reader.gone()
        left = True
        if working is not None:
            working.cancel()

    looking = asyncio.ensure_future(look())
    try:
        yield
    except asyncio.CancelledError:
        if left and working is not None:
            working.uncancel()
            raise ConnectionResetError("the portal has gone") from None
        raise
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
