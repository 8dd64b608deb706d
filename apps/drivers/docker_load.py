"""Images as archives, from an engine and to another, piece by piece: nobody knows the size, nor holds it all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from apps.drivers.base import Endpoint, EngineDown, EngineError
from apps.drivers.docker_errors import down, refusal
from apps.drivers.docker_streams import objects
from apps.drivers.docker_wire import Reply, Wire, answer, check, connect

PATIENCE = 120.0  # an engine that unpacks a big layer onto a slow disk takes nothing for a while
_HEAD = (
    "POST {path} HTTP/1.1\r\nHost: engine\r\nUser-Agent: corral\r\nContent-Type: application/x-tar\r\n"
    "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
)


class Saving:
    """An archive on its way from the engine; `close` ends it."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._reply
        finally:
            self._reply.close()

    def close(self) -> None:
        """End the iteration, whichever thread it is in."""
        self._reply.close()


def load(endpoint: Endpoint, path: str, pieces: Iterable[bytes]) -> None:
    """Send the archive and wait until the engine has taken it in. Raises `EngineError`, and what `pieces` raise."""
    try:
        wire = Wire(connect(endpoint))
    except OSError as error:
        raise down(endpoint.url, error) from None
    try:
        broken = _send(wire, path, pieces)
        try:
            reply = answer(wire, endpoint.url, PATIENCE, patience=PATIENCE)
        except EngineDown:
            if broken is None:
                raise
            raise broken from None
        check(reply)
        _read(reply)
    except OSError as error:
        raise down(endpoint.url, error) from None
    finally:
        wire.close()


def _send(wire: Wire, path: str, pieces: Iterable[bytes]) -> OSError | None:
    """Send it all; an engine that stops listening may have said why, so that is no error yet."""
    wire.send(_HEAD.format(path=path).encode())
    for piece in filter(None, pieces):
        try:
            wire.send(b"%x\r\n%b\r\n" % (len(piece), piece), PATIENCE)
        except OSError as error:
            return error
    wire.send(b"0\r\n\r\n", PATIENCE)
    return None


def _read(reply: Reply) -> None:
    done = False
    for found in objects(reply):
        if "error" in found:
            detail = found.get("errorDetail") or {}
            raise refusal(int(detail.get("code") or 500), str(detail.get("message") or found["error"]))
        done = done or "Loaded image" in str(found.get("stream", ""))
    if not done:
        raise EngineError("The engine stopped in the middle of taking in the image.")
