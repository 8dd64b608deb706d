"""Log lines on their way from a reading thread to a browser that may be slower."""

from __future__ import annotations

import threading
from collections import deque

from apps.drivers.base import LogLine

MOST_LINES = 6000
MOST_BYTES = 4_000_000


class Lines:
    """A bounded queue: when it is full the oldest lines make room, or the writer waits if `patient`."""

    def __init__(self, *, patient: bool = False, lines: int = MOST_LINES, size: int = MOST_BYTES) -> None:
        self._patient, self._most_lines, self._most_bytes = patient, lines, size
        self._waiting: deque[LogLine] = deque()
        self._bytes = 0
        self._skipped = 0
        self._closed = False
        self._changed = threading.Condition()

    def put(self, line: LogLine) -> None:
        """Add a line; from the reading thread."""
        with self._changed:
            if self._patient:
                self._changed.wait_for(lambda: self._closed or not self._is_full())
            self._waiting.append(line)
            self._bytes += len(line.text)
            while self._is_over() and len(self._waiting) > 1:
                self._bytes -= len(self._waiting.popleft().text)
                self._skipped += 1

    def take(self, most: int = 500) -> tuple[int, list[LogLine]]:
        """How many lines were skipped before these, and the next lines."""
        with self._changed:
            taken = [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]
            self._bytes -= sum(len(line.text) for line in taken)
            skipped, self._skipped = self._skipped, 0
            self._changed.notify_all()
        return skipped, taken

    def close(self) -> None:
        """Let a waiting writer go."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _is_full(self) -> bool:
        return len(self._waiting) >= self._most_lines or self._bytes >= self._most_bytes

    def _is_over(self) -> bool:
        return len(self._waiting) > self._most_lines or self._bytes > self._most_bytes
