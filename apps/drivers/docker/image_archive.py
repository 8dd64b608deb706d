"""Images as archives, out of one engine and into another, piece by piece: too large to hold, and of unknown size."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from apps.core import read_budgets
from apps.core.read_budgets import OverBudget, ReadBudget, ReadMeter
from apps.drivers.base import Endpoint, EngineDown, EngineError
from apps.drivers.docker.connections import ThreadSafeSocket, connect_stream
from apps.drivers.docker.errors import error_from_response, unreachable_error
from apps.drivers.docker.http import EngineResponse, raise_for_status, read_response
from apps.drivers.docker.http_message import encode_request
from apps.drivers.docker.streams import read_json_lines

UNPACK_TIMEOUT = 120.0  # an engine that unpacks a big layer onto a slow disk takes nothing for a while
_LOADED = re.compile(r"Loaded image(?: ID)?: *(\S+)")
_HEADERS = {"Content-Type": "application/x-tar", "Transfer-Encoding": "chunked", "Connection": "close"}


class ArchiveStream:
    """An archive on its way from the engine; `close` ends it."""

    def __init__(self, response: EngineResponse) -> None:
        self._response = response

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._response
        finally:
            self._response.close()

    def close(self) -> None:
        """End the iteration, whichever thread it is in."""
        self._response.close()


class ArchiveUpload:
    """One request to an engine whose body is an archive; `close` may be called from another thread."""

    def __init__(self, endpoint: Endpoint, path: str, headers: Mapping[str, str] | None = None) -> None:
        self._endpoint, self._path, self._headers = endpoint, path, headers or {}
        self._connection: ThreadSafeSocket | None = None
        self._closed = False

    def send(self, pieces: Iterable[bytes], budget: ReadBudget, timeout: float) -> EngineResponse:
        """Send the archive, and wait up to `timeout` seconds for the beginning of the answer.

        Raises `EngineError`, and what `pieces` raise.
        """
        try:
            self._connection = connection = connect_stream(self._endpoint)
            if self._closed:  # while it connected
                connection.close()
            send_error = _send_archive(connection, _encode_archive(self._path, self._headers, pieces), budget)
            try:
                response = read_response(connection, self._endpoint.url, budget, timeout, head_timeout=timeout)
            except EngineDown:
                if send_error is None:
                    raise
                raise send_error from None
            raise_for_status(response)
        except OSError as error:
            raise unreachable_error(self._endpoint.url, error) from None
        return response

    def close(self) -> None:
        """End the request; one that has not begun ends when it does."""
        self._closed = True
        if self._connection is not None:
            self._connection.close()


def load_archive(endpoint: Endpoint, path: str, pieces: Iterable[bytes]) -> tuple[str, ...]:
    """Send the archive and wait until the engine has loaded it; what is in it.

    Raises `EngineError`, and what `pieces` raise.
    """
    upload = ArchiveUpload(endpoint, path)
    try:
        response = upload.send(pieces, read_budgets.ENGINE_LOAD, UNPACK_TIMEOUT)
        with response.as_engine_errors():
            return _read_loaded(response)
    finally:
        upload.close()


def _send_archive(connection: ThreadSafeSocket, messages: Iterable[bytes], budget: ReadBudget) -> OSError | None:
    """Send it all; an engine that stops reading, be it before the end's mark, may have answered why: no error yet."""
    meter = ReadMeter(budget)
    for message in messages:
        try:
            meter.timeout()
            connection.send(message, UNPACK_TIMEOUT)
        except OSError as error:
            return error
        except OverBudget as error:
            return TimeoutError(str(error))
    return None


def _encode_archive(path: str, headers: Mapping[str, str], pieces: Iterable[bytes]) -> Iterator[bytes]:
    yield encode_request("POST", path, {**_HEADERS, **headers}, version="1.1")
    for piece in filter(None, pieces):
        yield b"%x\r\n%b\r\n" % (len(piece), piece)
    yield b"0\r\n\r\n"


def _read_loaded(response: EngineResponse) -> tuple[str, ...]:
    names = []
    for found in read_json_lines(response):
        if "error" in found:
            detail = found.get("errorDetail") or {}
            raise error_from_response(int(detail.get("code") or 500), str(detail.get("message") or found["error"]))
        if loaded := _LOADED.match(str(found.get("stream", ""))):
            names.append(loaded[1])
    if not names:
        raise EngineError("The engine stopped in the middle of loading the image.")
    return tuple(names)
