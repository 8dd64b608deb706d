"""What changed, in small batches to the channel layer."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import defaultdict

from apps.core.events.sending import Changes, send_all

_PAUSE = 0.05


class Publisher:
    """Collects what changed and sends one message per environment every 50 ms, from a thread with its own loop."""

    def __init__(self) -> None:
        self._rows: Changes = defaultdict(set)
        self._rights: set[str] = set()
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None

    def row(self, environment_id: int | None, kind: str, key: int) -> None:
        with self._lock:
            self._rows[environment_id].add((kind, key))
        self._begin()

    def rights(self, name: str) -> None:
        with self._lock:
            self._rights.add(name)
        self._begin()

    def _begin(self) -> None:
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="events", daemon=True)
                self._thread.start()
        self._wake.set()

    def _take(self) -> tuple[Changes, set[str]]:
        with self._lock:
            rows, self._rows = self._rows, defaultdict(set)
            rights, self._rights = self._rights, set()
        return rows, rights

    def _run(self) -> None:
        # Waits outside the loop: an executor's thread that waits for ever would hold up the interpreter's end.
        loop = asyncio.new_event_loop()
        while True:
            self._wake.wait()
            self._wake.clear()
            loop.run_until_complete(send_all(*self._take()))
            time.sleep(_PAUSE)
