"""Log bytes as whole lines, of containers with and without a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from apps.drivers.base import LogLine
from apps.drivers.docker_frames import Frames
from apps.drivers.docker_lines import LINE_LIMIT, STAMP, Lines


class Terminal:
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
        while found := STAMP.match(data):
            at = found[1].decode()
            data = data[found.end() :]
            texts.append(data[: self._PIECE])
            data = data[self._PIECE :]
        return LogLine("tty", at, b"".join([*texts, data]).decode("utf-8", "replace"))


class Demultiplexer:
    """Frames in, lines of both streams out, in the order in which they were finished."""

    def __init__(self) -> None:
        self._frames = Frames()
        self._lines: dict[str, Lines] = {"stdout": Lines("stdout"), "stderr": Lines("stderr")}

    def feed(self, data: bytes) -> Iterator[LogLine]:
        """The lines that are whole now."""
        for stream, payload in self._frames.feed(data):
            yield from self._lines[stream].frame(payload)

    def end(self) -> Iterator[LogLine]:
        """What is left when the stream is over."""
        for lines in self._lines.values():
            yield from lines.end()
