"""A running portal's WebSockets, opened with an API key as a script would."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

from websockets.sync.client import ClientConnection, connect

from tests.docker.portal_process import Api

_TIMEOUT = 30.0


@contextlib.contextmanager
def open_socket(api: Api, path: str) -> Iterator[SocketClient]:
    """The portal's socket at `path`, closed afterwards."""
    base = api.base.replace("http", "ws", 1)
    headers = {"Authorization": api.authorization}
    with connect(f"{base}{path}", additional_headers=headers, open_timeout=_TIMEOUT, close_timeout=2) as connection:
        yield SocketClient(connection)


class SocketClient:
    """One open socket; every wait fails after a few seconds with what came instead."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    def frames(self, kind: str, is_enough: Callable[[list[Any]], bool]) -> list[Any]:
        """The JSON frames of this type, up to the first at which all of them are enough."""
        found: list[Any] = []
        deadline = time.monotonic() + _TIMEOUT
        while not is_enough(found):
            assert time.monotonic() < deadline, found
            frame = json.loads(self._connection.recv(_TIMEOUT))
            if frame["type"] == kind:
                found.append(frame)
        return found

    def read_until(self, text: str) -> str:
        """What a terminal shows, up to and with `text`."""
        output, deadline = "", time.monotonic() + _TIMEOUT
        while text not in output:
            assert time.monotonic() < deadline, output
            frame = self._connection.recv(_TIMEOUT)
            assert isinstance(frame, bytes), frame
            output += frame.decode()
        return output

    def expect_exit(self, code: int) -> None:
        """A terminal's command ends with this code, whatever it shows before."""
        frame: str | bytes = b""
        while isinstance(frame, bytes):
            frame = self._connection.recv(_TIMEOUT)
        assert json.loads(frame) == {"type": "end", "code": code}

    def type_text(self, keys: str) -> None:
        """Type into a terminal."""
        self._connection.send(keys.encode())

    def send_json(self, **order: Any) -> None:
        """Send one JSON frame."""
        self._connection.send(json.dumps(order))
