"""Sources and sinks in memory: a peer with scripted bytes, split where the test says, and one that records."""

from __future__ import annotations

import itertools
from collections.abc import Iterable


class ScriptedSource:
    """A source; each piece is what one read finds."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = [piece for piece in pieces if piece]

    async def read(self, n: int = -1, /) -> bytes:
        if not self._pieces:
            return b""
        piece = self._pieces.pop(0)
        if 0 < n < len(piece):
            self._pieces.insert(0, piece[n:])
            piece = piece[:n]
        return piece


class RecordingSink:
    """A sink that keeps everything."""

    def __init__(self) -> None:
        self.data = b""
        self.drained = 0
        self.ended = self.closed = False

    def write(self, data: bytes, /) -> None:
        assert not self.ended, "written to after its end"
        self.data += data

    async def drain(self) -> None:
        self.drained += 1

    def write_eof(self) -> None:
        self.ended = True

    def close(self) -> None:
        self.closed = True


def split_at(data: bytes, places: Iterable[int]) -> list[bytes]:
    """The data in pieces, cut at these places (taken modulo its length)."""
    marks = sorted({place % (len(data) + 1) for place in places} | {0, len(data)})
    return [data[one:other] for one, other in itertools.pairwise(marks)]
