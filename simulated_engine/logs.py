"""What a simulated container has written, and a reader's place in it."""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import NamedTuple


class LogRecord(NamedTuple):
    """One line; `at` is unix time in nanoseconds, `stream` is stdout or stderr."""

    at: int
    stream: str
    text: str


class ContainerLog:
    """The latest lines of a container; `count` goes on counting when the oldest are dropped."""

    __slots__ = ("count", "lines")

    def __init__(self, max_lines: int) -> None:
        self.lines: deque[LogRecord] = deque(maxlen=max_lines)
        self.count = 0

    def append(self, record: LogRecord) -> None:
        """Add a line."""
        self.lines.append(record)
        self.count += 1


class LogCursor:
    """Reads a log from its last `tail` lines on (None: from the oldest)."""

    def __init__(self, log: ContainerLog, tail: int | None) -> None:
        self._log = log
        available = len(log.lines)
        self._next = log.count - (available if tail is None else min(max(tail, 0), available))

    def take(self) -> list[LogRecord]:
        """The lines since the last call; those that were dropped meanwhile are left out."""
        lines = self._log.lines
        pending = min(self._log.count - self._next, len(lines))
        self._next = self._log.count
        # A deque has no slices; reading all of it and dropping the front would cost the more the longer the log is.
        return list(islice(lines, len(lines) - pending, None))
