"""A running portal's WebSockets, opened with an API key as a script would."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

from websockets.sync.client import ClientConnection, connect

from tests.docker.running import Api

_PATIENCE = 8.0


@contextlib.contextmanager
def opened(api: Api, path: str) -> Iterator[Socket]:
    """The portal's socket at `path`, closed afterwards."""
    base = api.base.replace("http", "ws", 1)
    headers = {"Authorization": api.authorization}
    with connect(f"{base}{path}", additional_headers=headers, open_timeout=_PATIENCE, close_timeout=2) as line:
        yield Socket(line)


class Socket:
    """One open socket; every wait fails after a few seconds with what came instead."""

    def __init__(self, line: ClientConnection) -> None:
        self._line = line

    def frames(self, kind: str, is_enough: Callable[[list[Any]], bool]) -> list[Any]:
        """The JSON frames of this type, up to the first at which all of them are enough."""
        found: list[Any] = []
        until = time.monotonic() + _PATIENCE
        while not is_enough(found):
            assert time.monotonic() < until, found
            frame = json.loads(self._line.recv(_PATIENCE))
            if frame["type"] == kind:
                found.append(frame)
        return found

    def shows(self, text: str) -> str:
        """What a terminal shows, up to and with `text`."""
        shown, until = "", time.monotonic() + _PATIENCE
        while text not in shown:
            assert time.monotonic() < until, shown
            frame = self._line.recv(_PATIENCE)
            assert isinstance(frame, bytes), frame
            shown += frame.decode()
        return shown

    def ends(self, code: int) -> None:
        """A terminal's command ends with this code, whatever it shows before."""
        frame: str | bytes = b""
        while isinstance(frame, bytes):
            frame = self._line.recv(_PATIENCE)
        assert json.loads(frame) == {"type": "end", "code": code}

    def types(self, keys: str) -> None:
        """Type into a terminal."""
        self._line.send(keys.encode())

    def orders(self, **order: Any) -> None:
        """Send one JSON frame."""
        self._line.send(json.dumps(order))
