"""A buffer of log lines between a reading thread and a client that may be slower."""

from __future__ import annotations

import threading
from collections import deque

from apps.drivers.base import LogLine

MAX_LINES = 6000
MAX_BYTES = 4_000_000


class LogBuffer:
    """A bounded queue: when it is full the oldest lines are dropped, or with `block_when_full` the writer waits."""

    def __init__(self, *, block_when_full: bool = False, lines: int = MAX_LINES, size: int = MAX_BYTES) -> None:
        self._block_when_full, self._max_lines, self._max_bytes = block_when_full, lines, size
        self._queue: deque[LogLine] = deque()
        self._bytes = 0
        self._skipped = 0
        self._closed = False
        self._changed = threading.Condition()

    def put(self, line: LogLine) -> None:
        """Add a line; from the reading thread."""
        with self._changed:
            if self._block_when_full:
                self._changed.wait_for(lambda: self._closed or not self._is_full())
            self._queue.append(line)
            self._bytes += len(line.text)
            # The last line stays even if it alone is larger than the buffer.
            while self._is_over() and len(self._queue) > 1:
                self._bytes -= len(self._queue.popleft().text)
                self._skipped += 1

    def take(self, limit: int = 500) -> tuple[int, list[LogLine]]:
        """How many lines were skipped before these, and the next lines."""
        with self._changed:
            taken = [self._queue.popleft() for _ in range(min(limit, len(self._queue)))]
            self._bytes -= sum(len(line.text) for line in taken)
            skipped, self._skipped = self._skipped, 0
            self._changed.notify_all()
        return skipped, taken

    def close(self) -> None:
        """Release a waiting writer."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _is_full(self) -> bool:
        return len(self._queue) >= self._max_lines or self._bytes >= self._max_bytes

    def _is_over(self) -> bool:
        return len(self._queue) > self._max_lines or self._bytes > self._max_bytes
