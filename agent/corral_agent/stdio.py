"""`python -m corral_agent.stdio`: standard input and output as a connection to this container's `SystemAgent`.

The portal runs it by the engine's exec, once for each session. It needs few modules: it lives as long as the session.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import threading
import time

PORTAL_SOCKET = "/run/corral/portal.sock"
_PATIENCE, _PAUSE = 20.0, 0.1  # the container may have been started a moment ago
_CHUNK = 65536


def main(path: str = PORTAL_SOCKET) -> int:
    """The exit code: 0 when either side has ended the session, 1 when nobody listens."""
    try:
        connection = _connect(path)
    except OSError as error:
        sys.stderr.write(f"The system container does not listen: {error}\n")
        return 1
    threading.Thread(target=_send_input, args=(connection,), daemon=True).start()
    with contextlib.suppress(OSError):
        while piece := connection.recv(_CHUNK):
            _write_whole(piece)
    return 0


def _connect(path: str) -> socket.socket:
    until = time.monotonic() + _PATIENCE
    while True:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.connect(path)
        except OSError:
            connection.close()
            if time.monotonic() > until:
                raise
            time.sleep(_PAUSE)
        else:
            return connection


def _send_input(connection: socket.socket) -> None:
    """When the portal is gone its end of the connection is, and so is the session."""
    with contextlib.suppress(OSError):
        while piece := os.read(0, _CHUNK):
            connection.sendall(piece)
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def _write_whole(piece: bytes) -> None:
    left = memoryview(piece)
    while left:
        left = left[os.write(1, left) :]


if __name__ == "__main__":
    sys.exit(main())
