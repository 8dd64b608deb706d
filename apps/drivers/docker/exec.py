"""A command inside a container, on a connection taken over from HTTP, which both sides use at once."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable

from apps.drivers.base import EngineDown, EngineError, StreamName
from apps.drivers.docker.frames import FrameDecoder
from apps.drivers.docker.http import EngineResponse

_HANGUP_KEYS = (b"\x03", b"\x04")  # Ctrl-C for what runs, Ctrl-D for the shell around it
_KEY_PAUSE = 0.05  # Ctrl-C throws away what was typed: the next key must not come with it
_EXIT_CODE_TIMEOUT = 2.0

Resize = Callable[[int, int], None]
ExitCode = Callable[[], int | None]


class DockerExec:
    """One running command; `resize` and `exit_code` are calls of their own to the engine.

    `hangs_up`: whether a command in a terminal is asked to end when this is closed.
    """

    def __init__(
        self, response: EngineResponse, *, tty: bool, resize: Resize, exit_code: ExitCode, hangs_up: bool = True
    ) -> None:
        self._response = response
        self._hangs_up = tty and hangs_up
        self._frames = None if tty else FrameDecoder()
        self._pending = b""
        self._streams: deque[tuple[StreamName, bytes]] = deque()
        self._read_lock = threading.Lock()
        self._ended = False
        self._resize = resize
        self._exit_code = exit_code

    def read(self, size: int = 65536) -> bytes:
        """Output (stdout and stderr together); blocks, and returns b"" at the end."""
        with self._read_lock:
            while not self._pending and not self._ended:
                piece = self._response.read()
                self._ended = not piece
                self._pending = self._payload(piece)
            output, self._pending = self._pending[:size], self._pending[size:]
            return output

    def read_stream(self) -> tuple[StreamName, bytes]:
        """Some output and where it was written; blocks, and returns b"" at the end. Instead of `read`, not besides."""
        with self._read_lock:
            while not self._streams and not self._ended:
                piece = self._response.read()
                self._ended = not piece
                if self._frames is None:
                    return "tty", piece
                with self._response.as_engine_errors():
                    self._streams.extend(each for each in self._frames.feed(piece) if each[1])
            return self._streams.popleft() if self._streams else ("stdout", b"")

    def _payload(self, piece: bytes) -> bytes:
        if self._frames is None:
            return piece
        with self._response.as_engine_errors():
            return b"".join(payload for _stream, payload in self._frames.feed(piece))

    def write(self, data: bytes) -> None:
        """Send keys. Raises `EngineDown` when the command is over."""
        try:
            if self._ended:
                raise BrokenPipeError
            self._response.connection.send(data)
        except OSError:
            raise EngineDown("The command takes no more input: it has ended, or its connection has.") from None

    def end_input(self) -> None:
        """Let a command without a terminal find the end of its input. Raises `EngineDown` when the command is over."""
        try:
            self._response.connection.end_sending()
        except OSError:
            raise EngineDown("The command takes no more input: it has ended, or its connection has.") from None

    def resize(self, columns: int, rows: int) -> None:
        """Tell the terminal its size; a command that has just ended has none, which is not an error."""
        with contextlib.suppress(EngineError):
            self._resize(columns, rows)

    def exit_code(self) -> int | None:
        """None while it runs; just after the end of the output the engine may need a moment to know."""
        until = time.monotonic() + (_EXIT_CODE_TIMEOUT if self._ended else 0.0)
        while (code := self._exit_code()) is None and time.monotonic() < until:
            time.sleep(0.03)
        return code

    def close(self) -> None:
        """Close; a command in a terminal is asked to end first, since the engine would leave it running."""
        if self._hangs_up and not self._ended:
            with contextlib.suppress(OSError):
                for key in _HANGUP_KEYS:
                    self._response.connection.send(key, timeout=0.2)
                    time.sleep(_KEY_PAUSE)
        self._response.close()
