"""A connection inside the process: two pipes, each with a socket's back pressure."""

from __future__ import annotations

import asyncio

_BUFFER_LIMIT = 256 * 1024  # about what a unix socket holds


class MemoryPipe:
    """One direction of a connection, and its reader's source."""

    def __init__(self) -> None:
        self._data = bytearray()
        self.ended = self.closed = False
        self._changed = asyncio.Event()

    async def read(self, n: int = -1, /) -> bytes:
        """Some bytes, b"" at the end."""
        while not self._data and not self.ended:
            await self._wait()
        size = len(self._data) if n < 0 else n
        got = bytes(self._data[:size])
        del self._data[:size]
        self._signal()
        return got

    async def _wait(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    def _signal(self) -> None:
        self._changed.set()

    def put(self, data: bytes) -> None:
        """Add bytes. Raises `OSError` when the reader has gone."""
        if self.closed or self.ended:
            raise BrokenPipeError("the connection is closed")
        self._data += data
        self._signal()

    async def wait_for_room(self) -> None:
        """Wait until the reader has caught up."""
        while len(self._data) > _BUFFER_LIMIT and not self.closed:
            await self._wait()

    def end(self, *, closed: bool = False) -> None:
        """End the stream; with `closed` its reader has gone too."""
        self.ended, self.closed = True, self.closed or closed
        self._signal()


class PipeWriter:
    """The sink of one end: writes to one pipe, and closes both."""

    def __init__(self, to: MemoryPipe, back: MemoryPipe) -> None:
        self._to, self._back = to, back

    def write(self, data: bytes, /) -> None:
        """Send. Raises `OSError` when the other end is closed."""
        self._to.put(data)

    async def drain(self) -> None:
        """Wait until the other end has caught up."""
        await self._to.wait_for_room()

    def write_eof(self) -> None:
        """End this direction."""
        self._to.end()

    def close(self) -> None:
        """End both directions."""
        self._to.end()
        self._back.end(closed=True)


def connection_pair() -> tuple[tuple[MemoryPipe, PipeWriter], tuple[MemoryPipe, PipeWriter]]:
    """Both ends of a new connection."""
    one, other = MemoryPipe(), MemoryPipe()
    return (other, PipeWriter(one, other)), (one, PipeWriter(other, one))
