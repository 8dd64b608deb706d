"""What a build says, on its way into the table: gathered for a moment, bounded, with its end kept in any case."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from apps.builds.models import BuildLogPart, ImageBuild
from apps.core.plurals import counted
from apps.core.texts import strip_unstorable

MAX_LOG = 2 * 1024**2
"""Characters of a log; of what comes beyond only the last lines are kept."""
_PART = 32 * 1024
_EVERY = 0.5
_LAST_LINES = 100


class BuildLogWriter:
    """Writes the log of one build; `redact` takes passwords out of it. `written` is how long the log is."""

    def __init__(self, build: ImageBuild, redact: Callable[[str], str], written: int = 0) -> None:
        self.written = written
        self._build, self._redact = build, redact
        self._waiting: list[str] = []
        self._size = 0
        self._left_out: deque[str] = deque(maxlen=_LAST_LINES)
        self._dropped = 0
        self._saved_at = time.monotonic()

    def add(self, text: str) -> None:
        """Take in some output."""
        text = strip_unstorable(self._redact(text))
        if self.written + self._size >= MAX_LOG:
            self._dropped += 1
            self._left_out.append(text[:1000])
            return
        self._waiting.append(text)
        self._size += len(text)

    @property
    def is_due(self) -> bool:
        """Whether it is time to save."""
        return self._size > 0 and (self._size >= _PART or time.monotonic() - self._saved_at >= _EVERY)

    def save(self) -> bool:
        """Write what waits; whether there was anything."""
        self._saved_at = time.monotonic()
        text = "".join(self._waiting)[:MAX_LOG]
        self._waiting, self._size = [], 0
        for start in range(0, len(text), _PART):
            BuildLogPart.all_objects.create(build=self._build, text=text[start : start + _PART])
        self.written += len(text)
        return bool(text)

    def end(self) -> None:
        """Write the rest, and of what was left out the end."""
        self.save()
        if self._dropped:
            more = self._dropped - len(self._left_out)
            head = (
                f"\n… {counted(more, 'line')} left out: a log is kept up to {MAX_LOG // 1024**2} MB …\n" if more else ""
            )
            BuildLogPart.all_objects.create(build=self._build, text=head + "".join(self._left_out))
            self._left_out.clear()
            self._dropped = 0
