"""A command inside a simulated container, as an `ExecSession`."""

from __future__ import annotations

import queue
import threading

from apps.drivers.base import EngineDown, StreamName
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

    def read_stream(self) -> tuple[StreamName, bytes]:
        """Some output, and where it was written; blocks, and returns b"" at the end."""
        data = self.read()
        return ("tty" if self._session.tty else "stdout"), data

    def end_input(self) -> None:
        """Let a command without a terminal find the end of its input."""
        with self._lock:
            self._session.end_input()

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
