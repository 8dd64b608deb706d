"""A connection inside the process: two pipes, each as patient as a socket."""

from __future__ import annotations

import asyncio

_ROOM = 256 * 1024


class Pipe:
    """One direction: a source for its reader."""

    def __init__(self) -> None:
        self._data = bytearray()
        self.ended = self.closed = False
        self._news = asyncio.Event()

    async def read(self, n: int = -1, /) -> bytes:
        """Some bytes, b"" at the end."""
        while not self._data and not self.ended:
            await self._wait()
        size = len(self._data) if n < 0 else n
        got = bytes(self._data[:size])
        del self._data[:size]
        self._tell()
        return got

    async def _wait(self) -> None:
        self._news.clear()
        await self._news.wait()

    def _tell(self) -> None:
        self._news.set()

    def put(self, data: bytes) -> None:
        """Add bytes. Raises `OSError` when nobody reads any more."""
        if self.closed or self.ended:
            raise BrokenPipeError("the connection is closed")
        self._data += data
        self._tell()

    async def room(self) -> None:
        """Wait until the reader has caught up."""
        while len(self._data) > _ROOM and not self.closed:
            await self._wait()

    def end(self, *, closed: bool = False) -> None:
        """No more comes; with `closed` nobody reads any more either."""
        self.ended, self.closed = True, self.closed or closed
        self._tell()


class Outlet:
    """One end's sink: writes to one pipe, and closes both."""

    def __init__(self, to: Pipe, back: Pipe) -> None:
        self._to, self._back = to, back

    def write(self, data: bytes, /) -> None:
        """Send. Raises `OSError` when the other end is closed."""
        self._to.put(data)

    async def drain(self) -> None:
        """Wait for room."""
        await self._to.room()

    def write_eof(self) -> None:
        """Nothing more from here."""
        self._to.end()

    def close(self) -> None:
        """Nothing more in either direction."""
        self._to.end()
        self._back.end(closed=True)


def pair() -> tuple[tuple[Pipe, Outlet], tuple[Pipe, Outlet]]:
    """Both ends of a new connection."""
    one, other = Pipe(), Pipe()
    return (other, Outlet(one, other)), (one, Outlet(other, one))
