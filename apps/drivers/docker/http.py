"""HTTP to an engine: one request on a connection of its own, for responses that arrive over time; any thread may
write to it or close it.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from apps.core import read_budgets
from apps.core.read_budgets import OverBudget, ReadBudget, ReadMeter, format_size
from apps.drivers.base import Endpoint, EngineDown, EngineError, EngineOverBudget
from apps.drivers.docker.connections import ThreadSafeSocket, connect_stream
from apps.drivers.docker.errors import (
    UNEXPECTED_ANSWER_ERRORS,
    error_from_response,
    over_budget_error,
    unexpected_answer_error,
    unreachable_error,
)
from apps.drivers.docker.http_message import HEAD_LIMIT, ChunkedDecoder, encode_request, split_head

RESPONSE_TIMEOUT = 30.0
_CHUNK = 65536


class EngineResponse:
    """A response whose head has arrived; `read` and iteration give the body as it comes, within its budget."""

    def __init__(
        self,
        connection: ThreadSafeSocket,
        status: int,
        remainder: bytes,
        url: str,
        meter: ReadMeter,
        idle_timeout: float | None = None,
    ) -> None:
        self.connection = connection
        self.status = status
        self.meter = meter
        self._remainder = remainder
        self._url = url
        self.idle_timeout = idle_timeout
        self.decoder: ChunkedDecoder | None = None

    def read(self, size: int = _CHUNK) -> bytes:
        """Some of the body, b"" at its end.

        Raises `EngineDown` when nothing arrives within `idle_timeout`, `EngineOverBudget` when it is too much or late.
        """
        if self.decoder is None:
            return self._read(size)
        try:
            while not self.decoder.ended and (piece := self._read(size)):
                if body := self.decoder.feed(piece):
                    return body
        except ValueError as error:
            raise EngineDown(f"The engine at {self._url} does not answer in HTTP: {error}.") from None
        return b""

    def _read(self, size: int) -> bytes:
        try:
            if self._remainder:
                piece, self._remainder = self._remainder[:size], self._remainder[size:]
            else:
                piece = self.connection.recv(size, self.meter.timeout(self.idle_timeout))
            self.meter.count(len(piece))
        except TimeoutError as error:
            self.meter_timeout()
            raise unreachable_error(self._url, error) from None
        except OverBudget as error:
            raise self.over_budget(error) from None
        return piece

    def meter_timeout(self) -> None:
        """Raise `EngineOverBudget` if it is the whole answer that took too long, not one pause in it."""
        try:
            self.meter.timeout()
        except OverBudget as error:
            raise self.over_budget(error) from None

    def over_budget(self, error: OverBudget) -> EngineOverBudget:
        """The error for the reader, whose connection is given up."""
        self.connection.close()
        return over_budget_error(self._url, error)

    @contextlib.contextmanager
    def as_engine_errors(self) -> Iterator[None]:
        """Whatever making sense of the body raises becomes an `EngineError`."""
        try:
            yield
        except EngineError:
            raise
        except OverBudget as error:
            raise self.over_budget(error) from None
        except UNEXPECTED_ANSWER_ERRORS as error:
            raise unexpected_answer_error(self._url) from error

    def __iter__(self) -> Iterator[bytes]:
        while piece := self.read():
            yield piece

    def lines(self) -> Iterator[bytes]:
        """The body split at line ends; an unfinished last line is given too. One too long is `EngineOverBudget`."""
        parts: list[bytes] = []
        size = 0
        for piece in self:
            first, *others = piece.split(b"\n")
            parts.append(first)
            size += len(first)
            if size > read_budgets.MAX_LINE_BYTES:
                limit = format_size(read_budgets.MAX_LINE_BYTES)
                raise self.over_budget(OverBudget(f"sent a line of more than {limit}."))
            if others:
                *whole, rest = others
                yield from filter(None, map(bytes.strip, (b"".join(parts), *whole)))
                parts, size = [rest], len(rest)
        if last := b"".join(parts).strip():
            yield last

    def close(self) -> None:
        """Close the connection, which ends a read in any thread."""
        self.connection.close()


def send_request(
    endpoint: Endpoint,
    method: str,
    path: str,
    *,
    body: Any = None,
    headers: Mapping[str, str] | None = None,
    upgrade: bool = False,
    budget: ReadBudget = read_budgets.ENGINE_STREAM,
    idle_timeout: float | None = None,
) -> EngineResponse:
    """Send one request and wait for the response's head. Raises the `EngineError` that a refusal means.

    Only a connection that is to be taken over (`upgrade`) needs HTTP/1.1. `idle_timeout` limits the silence between
    two pieces of the body, `budget` all of it.
    """
    try:
        connection = connect_stream(endpoint)
    except OSError as error:
        raise unreachable_error(endpoint.url, error) from None
    try:
        connection.send(_encode_request(method, path, body, headers or {}, upgrade=upgrade))
        response = read_response(connection, endpoint.url, budget, idle_timeout)
        raise_for_status(response)
    except OSError as error:
        connection.close()
        raise unreachable_error(endpoint.url, error) from None
    except BaseException:
        connection.close()
        raise
    return response


def _encode_request(method: str, path: str, body: Any, headers: Mapping[str, str], *, upgrade: bool) -> bytes:
    data = b"" if body is None else json.dumps(body).encode()
    fields = {"Accept-Encoding": "identity", **headers}
    if data or method == "POST":
        fields |= {"Content-Type": "application/json", "Content-Length": str(len(data))}
    if upgrade:
        fields |= {"Connection": "Upgrade", "Upgrade": "tcp"}
    return encode_request(method, path, fields, body=data, version="1.1" if upgrade else "1.0")


def read_response(
    connection: ThreadSafeSocket,
    url: str,
    budget: ReadBudget,
    idle_timeout: float | None,
    *,
    head_timeout: float = RESPONSE_TIMEOUT,
) -> EngineResponse:
    """The response whose head arrives within `head_timeout` seconds. Raises `EngineDown` for none, `TimeoutError`."""
    received = b""
    head_meter = ReadMeter(ReadBudget("the head of its answer", HEAD_LIMIT, head_timeout))
    try:
        while (found := split_head(received)) is None:
            piece = connection.recv(timeout=head_meter.timeout())
            received += piece
            if not piece or len(received) > HEAD_LIMIT:
                raise EngineDown(f"The engine at {url} closed the connection instead of answering.")
    except OverBudget as error:
        raise over_budget_error(url, error) from None
    head, remainder = found
    if head.status is None:
        raise EngineDown(f"What answers at {url} is not a Docker engine.")
    if head.is_compressed:
        raise over_budget_error(url, OverBudget("compressed its answer, though that was not asked for."))
    response = EngineResponse(connection, head.status, remainder, url, ReadMeter(budget), idle_timeout)
    response.decoder = ChunkedDecoder() if head.is_chunked else None
    return response


def raise_for_status(response: EngineResponse) -> None:
    """Raise the `EngineError` that a refusal means."""
    if response.status >= 300:
        response.meter = ReadMeter(read_budgets.ENGINE_REFUSAL)
        raise error_from_response(response.status, _read_error_text(response))


def _read_error_text(response: EngineResponse) -> str:
    """A refusal's text; where the connection stays open, what arrived until the JSON object was complete."""
    received = bytearray()
    with contextlib.suppress(EngineDown):
        while not received.rstrip().endswith(b"}") and (piece := response.read()):
            received += piece
    return received.decode("utf-8", "replace")
