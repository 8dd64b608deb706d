"""A connected socket that counts and times what is read from it, for a library that reads by itself."""

from __future__ import annotations

import io
import socket
from typing import Any

from apps.core.read_budgets import ReadMeter


class MeteredSocket:
    """Behaves as the socket does; its reading file raises `OverBudget` as soon as `meter` does.

    Beneath everything: heads, bodies and chunk sizes all count, whatever the library above makes of them.
    """

    def __init__(self, sock: socket.socket, meter: ReadMeter) -> None:
        self._sock = sock
        self.meter = meter

    def makefile(self, mode: str = "rb", buffering: int = -1) -> io.BufferedReader:  # noqa: ARG002  # as sockets have it
        """A file to read from."""
        return io.BufferedReader(_MeteredFile(self, self._sock), io.DEFAULT_BUFFER_SIZE)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


class _MeteredFile(io.RawIOBase):
    def __init__(self, owner: MeteredSocket, sock: socket.socket) -> None:
        super().__init__()
        self._owner = owner
        # The socket's own file keeps the connection open until it is closed, whatever becomes of the socket.
        self._file = sock.makefile("rb", buffering=0)
        self._sock = sock
        self._idle = sock.gettimeout()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        meter = self._owner.meter
        self._sock.settimeout(meter.timeout(self._idle))
        try:
            size = self._file.readinto(buffer) or 0
        except TimeoutError:
            meter.timeout()
            raise
        meter.count(size)
        return size

    def close(self) -> None:
        self._file.close()
        super().close()
