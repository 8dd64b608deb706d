"""One stream's pieces joined into lines."""

from __future__ import annotations

import re
from collections.abc import Iterator

from apps.drivers.base import LogLine, StreamName

LINE_LIMIT = 256 * 1024
STAMP = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)) ")


class Lines:
    """Joins one stream's messages into lines.

    The engine cuts a line at 16 KiB and puts a time before each piece; only the last piece ends the line. The line
    gets the last piece's time, so that following on from it skips all of its pieces.
    """

    def __init__(self, stream: StreamName) -> None:
        self._stream = stream
        self._at = ""
        self._text = b""
        self._open = False

    def frame(self, payload: bytes) -> Iterator[LogLine]:
        """One frame: a message with its time, or a piece of one."""
        *whole, rest = payload.split(b"\n")
        for piece in whole:
            self._add(piece)
            yield self._line()
        if rest:
            self._add(rest)
            if len(self._text) >= LINE_LIMIT:
                yield self._line()

    def end(self) -> Iterator[LogLine]:
        """What is left when the stream is over."""
        if self._open:
            yield self._line()

    def _add(self, piece: bytes) -> None:
        found = STAMP.match(piece)
        if found:
            self._at = found[1].decode()
            piece = piece[found.end() :]
        self._text = self._text + piece if self._open else piece
        self._open = True

    def _line(self) -> LogLine:
        text, self._text, self._open = self._text, b"", False
        return LogLine(self._stream, self._at, text.decode("utf-8", "replace"))
