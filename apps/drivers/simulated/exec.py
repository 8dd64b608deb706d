"""A command inside a simulated container, as an `ExecSession`."""

from __future__ import annotations

import queue
import threading

from apps.drivers.base import EngineDown
from simulated_engine.commands import CommandSession

_HANGUP = 129


class SimulatedExec:
    """A running command whose output waits in a queue; every method may be called from any thread."""

    def __init__(self, session: CommandSession, lock: threading.RLock) -> None:
        self._session, self._lock = session, lock
        self._output: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._pending = b""
        with lock:
            session.begin(self._output.put)

    def read(self, size: int = 65536) -> bytes:
        """Output; blocks, and returns b"" at the end."""
        if not self._pending:
            self._pending = self._output.get()
            if not self._pending:
                self._output.put(b"")  # whoever reads again finds the end again
        found, self._pending = self._pending[:size], self._pending[size:]
        return found

    def write(self, data: bytes) -> None:
        """Send input. Raises `EngineDown` when the command is over."""
        with self._lock:
            if self._session.exit_code is not None:
                raise EngineDown("The command takes no more input: it has ended, or its connection has.")
            self._session.write(data)

    def resize(self, columns: int, rows: int) -> None:
        """Tell the terminal its size."""
        self._session.size = (columns, rows)

    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._session.exit_code

    def close(self) -> None:
        """Let go; the command ends."""
        with self._lock:
            self._session.end(_HANGUP)
