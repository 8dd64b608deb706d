"""Log bytes as whole lines, of containers with and without a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterator

from apps.drivers.base import LogLine, StreamName
from apps.drivers.docker.frames import FrameDecoder

LINE_LIMIT = 256 * 1024
TIMESTAMP = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)) ")


class LogAssembler:
    """Joins one stream's messages into lines.

    The engine cuts a line at 16 KiB and puts a time before each piece; only the last piece ends the line. The line
    gets the last piece's time, so that resuming after it skips all of its pieces.
    """

    def __init__(self, stream: StreamName) -> None:
        self._stream = stream
        self._at = ""
        self._text = b""
        self._has_text = False

    def feed(self, payload: bytes) -> Iterator[LogLine]:
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
        if self._has_text:
            yield self._line()

    def _add(self, piece: bytes) -> None:
        found = TIMESTAMP.match(piece)
        if found:
            self._at = found[1].decode()
            piece = piece[found.end() :]
        self._text = self._text + piece if self._has_text else piece
        self._has_text = True

    def _line(self) -> LogLine:
        text, self._text, self._has_text = self._text, b"", False
        return LogLine(self._stream, self._at, text.decode("utf-8", "replace"))


class TtyLogReader:
    """Lines of a container with a terminal: no frames, other line ends, and pieces of long lines run together."""

    _PIECE = 16 * 1024

    def __init__(self) -> None:
        self._pending = b""

    def feed(self, data: bytes) -> Iterator[LogLine]:
        """The lines that are whole now."""
        *whole, self._pending = (self._pending + data).split(b"\n")
        if len(self._pending) > LINE_LIMIT:
            whole, self._pending = [*whole, self._pending], b""
        for piece in whole:
            yield self._line(piece)

    def end(self) -> Iterator[LogLine]:
        """What is left when the stream is over."""
        if self._pending:
            yield self._line(self._pending)

    def _line(self, data: bytes) -> LogLine:
        at, texts = "", []
        data = data.removesuffix(b"\r")
        while found := TIMESTAMP.match(data):
            at = found[1].decode()
            data = data[found.end() :]
            texts.append(data[: self._PIECE])
            data = data[self._PIECE :]
        return LogLine("tty", at, b"".join([*texts, data]).decode("utf-8", "replace"))


class MultiplexedLogReader:
    """Frames in, lines of both streams out, in the order in which they were finished."""

    def __init__(self) -> None:
        self._frames = FrameDecoder()
        self._lines: dict[str, LogAssembler] = {"stdout": LogAssembler("stdout"), "stderr": LogAssembler("stderr")}

    def feed(self, data: bytes) -> Iterator[LogLine]:
        """The lines that are whole now."""
        for stream, payload in self._frames.feed(data):
            yield from self._lines[stream].feed(payload)

    def end(self) -> Iterator[LogLine]:
        """What is left when the stream is over."""
        for lines in self._lines.values():
            yield from lines.end()
