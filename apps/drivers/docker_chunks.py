"""A chunked HTTP body put together again, wherever the network or the chunks' ends cut it; pure."""

from __future__ import annotations

import re

_LONGEST = 1024
_SIZE = re.compile(rb"[0-9A-Fa-f]{1,15}")


class Chunks:
    """Takes what arrives, and gives what is meant."""

    def __init__(self) -> None:
        self.ended = False
        self._pending = b""
        self._left = 0

    def feed(self, data: bytes) -> bytes:
        """The body's bytes among these; after its last chunk nothing more. Raises `ValueError` for no chunks."""
        self._pending += data
        body = b""
        while not self.ended and self._pending:
            if self._left:
                piece = self._pending[: self._left]
                self._pending, self._left = self._pending[len(piece) :], self._left - len(piece)
                body += piece
            elif not self._begin():
                break
        return body

    def _begin(self) -> bool:
        """Read the next chunk's size; whether its line has come."""
        line, end, rest = self._pending.removeprefix(b"\r\n").partition(b"\r\n")
        if not end or not line:
            if len(self._pending) > _LONGEST:
                raise ValueError("a chunk without a size")
            return False
        self._pending, self._left = rest, _size(line.partition(b";")[0].strip())
        self.ended = not self._left
        return True


def _size(word: bytes) -> int:
    if not _SIZE.fullmatch(word):
        raise ValueError("a chunk without a size")
    return int(word, 16)
