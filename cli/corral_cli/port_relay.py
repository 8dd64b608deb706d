"""One forwarded connection: what a program here sends goes to the container's port, and its answers come back."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable

from corral_cli.errors import CliError
from corral_cli.portal_api import Json
from corral_cli.session import CliSession
from corral_cli.terminal import printable
from corral_cli.transport import MessageSocket

CHUNK = 64 * 1024
_LOOK_SECONDS = 30.0  # also what a part may take to be sent: a socket has one time-out for both ways
_LAST_SECONDS = 5.0  # for what may still come once the program here has sent all that it will


class PortRelay:
    """Connects one local connection with a port of a container, until either side ends."""

    def __init__(
        self, session: CliSession, container: Json, port: int, connection: socket.socket, on_end: Callable[[], None]
    ) -> None:
        self._session = session
        self._container = container
        self._port = port
        self._connection = connection
        self._on_end = on_end
        self._has_sent_all = False

    def run(self) -> None:
        """Until it is over; what goes wrong is said, and ends this connection alone."""
        try:
            self._run()
        except CliError as error:
            self._session.terminal.note(f"corral: {error}")
        except (OSError, ValueError) as error:
            self._session.terminal.note(f"corral: the connection ended: {printable(error)[:200]}")
        finally:
            self._connection.close()
            self._on_end()

    def _run(self) -> None:
        api = self._session.api
        access = api.act(self._container, "portforward", {"port": self._port})
        remote = api.open_socket("/ws/forward", token=access["token"])
        sender = threading.Thread(target=self._send, args=(remote,), daemon=True)
        sender.start()
        try:
            self._receive(remote)
        finally:
            remote.close()
            with contextlib.suppress(OSError):
                self._connection.shutdown(socket.SHUT_RDWR)
            sender.join(_LAST_SECONDS)

    def _send(self, remote: MessageSocket) -> None:
        """What the program here sends."""
        with contextlib.suppress(OSError):
            while data := self._connection.recv(CHUNK):
                remote.send(data)
        self._has_sent_all = True

    def _receive(self, remote: MessageSocket) -> None:
        while remote.closed is None:
            is_last = self._has_sent_all
            message = remote.receive(_LAST_SECONDS if is_last else _LOOK_SECONDS)
            if message is None and is_last:
                return
            if isinstance(message, bytes):
                self._connection.sendall(message)
            elif message:
                data = json.loads(message)
                if data.get("type") == "end":
                    if data.get("reason"):
                        self._session.terminal.note(f"corral: {printable(data['reason'])[:300]}")
                    return
        if remote.closed:
            self._session.terminal.note(f"corral: the portal ended the connection: {printable(remote.closed)[:200]}")
