"""HTTP to an engine: one request on a connection of its own, for responses that arrive over time; any thread may
write to it or close it.
"""

from __future__ import annotations

import contextlib
import json
import select
import socket
import ssl
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from apps.core import read_budgets
from apps.core.read_budgets import OverBudget, ReadBudget, ReadMeter, format_size
from apps.drivers.base import Endpoint, EngineDown, EngineError, EngineOverBudget, EngineRefused
from apps.drivers.dialing import dialers
from apps.drivers.docker.errors import (
    UNEXPECTED_ANSWER_ERRORS,
    error_from_response,
    over_budget_error,
    unexpected_answer_error,
    unreachable_error,
)
from apps.drivers.docker.http_message import HEAD_LIMIT, ChunkedDecoder, encode_request, split_head
from apps.drivers.engine_addresses import resolve_engine

CONNECT_TIMEOUT = 4.0
RESPONSE_TIMEOUT = 30.0
_CHUNK = 65536


@lru_cache(maxsize=256)
def tls_context(endpoint: Endpoint) -> ssl.SSLContext | None:
    """The endpoint's TLS, or None without any; only its own CA is trusted where it names one."""
    if not (endpoint.ca or endpoint.cert):
        return None
    try:
        context = ssl.create_default_context(cadata=endpoint.ca or None)
        if endpoint.cert:
            _load_client_certificate(context, endpoint)
    except (ssl.SSLError, ValueError) as error:
        raise EngineRefused(f"The TLS material of {endpoint.url} cannot be used: {error}") from None
    return context


def _load_client_certificate(context: ssl.SSLContext, endpoint: Endpoint) -> None:
    # The ssl module reads a client's key from files only; they exist for just as long as this takes.
    with tempfile.TemporaryDirectory(prefix="corral-tls-") as folder:
        pair = Path(folder, "pair.pem")
        pair.touch(mode=0o600)
        pair.write_text(f"{endpoint.cert.rstrip()}\n{endpoint.key.rstrip()}\n")
        context.load_cert_chain(pair)


def parse_tcp_address(endpoint: Endpoint) -> tuple[str, int]:
    """Host and port of a `tcp://` endpoint."""
    try:
        parts = urlsplit(endpoint.url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or not port:
        raise EngineRefused(f"{endpoint.url} is not an engine address: write it as tcp://host:port, for example :2376.")
    return host, port


def connect(endpoint: Endpoint) -> socket.socket:
    """A connected socket, by any of the schemes. Raises `OSError`, `EngineRefused` for a bad address or credential."""
    scheme = endpoint.url.partition("://")[0]
    if dial := dialers.get(scheme):
        return dial(endpoint)
    if scheme == "unix":
        return connect_unix(endpoint.url.removeprefix("unix://"))
    if scheme == "ssh":
        from apps.drivers.ssh import connection  # slow to load, and most portals never need it

        return connection.dial(endpoint)
    return _connect_tcp(endpoint)


def close_connection(endpoint: Endpoint) -> None:
    """Close what `connect` keeps for the endpoint's next sockets."""
    if endpoint.url.startswith("ssh://"):
        from apps.drivers.ssh import connection

        connection.close_connection(endpoint)


def connect_unix(path: str) -> socket.socket:
    """A socket connected to one of this machine's. Raises `OSError`."""
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(CONNECT_TIMEOUT)
    try:
        sock.connect(path)
    except OSError:
        sock.close()
        raise
    return sock


def _connect_tcp(endpoint: Endpoint) -> socket.socket:
    """TCP, with TLS where the endpoint has any."""
    host, port = parse_tcp_address(endpoint)
    sock = _connect_first(resolve_engine(host, port))
    try:
        _enable_keepalive(sock)
        context = tls_context(endpoint)
        return context.wrap_socket(sock, server_hostname=host) if context else sock
    except BaseException:
        sock.close()
        raise


def _connect_first(addresses: Sequence[tuple[str, int]]) -> socket.socket:
    """A socket to the first address that answers."""
    for address in addresses[:-1]:
        with contextlib.suppress(OSError):
            return socket.create_connection(address, timeout=CONNECT_TIMEOUT)
    return socket.create_connection(addresses[-1], timeout=CONNECT_TIMEOUT)


def _enable_keepalive(sock: socket.socket) -> None:
    """A peer that vanished without closing ends the stream within a minute, however quiet the stream may be."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", 20), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 4)):
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


class ThreadSafeSocket:
    """A connected socket that one thread reads, others may write to, and any may close.

    The socket does not block: TLS objects must not be read and written at the same time, so each use of it is short
    and under a lock, and the waiting happens outside.
    """

    def __init__(self, sock: socket.socket) -> None:
        sock.settimeout(0)
        self._sock = sock
        self._io_lock = threading.Lock()
        self._read_lock = threading.Lock()
        self._write_lock = threading.Lock()
        self._closed = False

    def recv(self, size: int = _CHUNK, timeout: float | None = None) -> bytes:
        """Some bytes, b"" at the end or once closed; a broken connection counts as the end. Raises `TimeoutError`."""
        with self._read_lock:
            while not self._closed:
                try:
                    with self._io_lock:
                        return self._sock.recv(size)
                except (BlockingIOError, ssl.SSLWantReadError):
                    self._wait(select.POLLIN, timeout)
                except ssl.SSLWantWriteError:
                    self._wait(select.POLLOUT, timeout)
                except OSError:
                    return b""
            return b""

    def send(self, data: bytes, timeout: float | None = RESPONSE_TIMEOUT) -> None:
        """All of `data`. Raises `OSError` when the connection is gone or takes nothing for `timeout` seconds."""
        left = memoryview(data)
        with self._write_lock:
            while left:
                if self._closed:
                    raise BrokenPipeError("the connection is closed")
                try:
                    with self._io_lock:
                        left = left[self._sock.send(left) :]
                except (BlockingIOError, ssl.SSLWantWriteError):
                    self._wait(select.POLLOUT, timeout)
                except ssl.SSLWantReadError:
                    self._wait(select.POLLIN, timeout)

    def end_sending(self) -> None:
        """Nothing more is sent; what the other side still sends is read. Raises `OSError`.

        Over TLS also where an answer arrives in the moment in which this is said: the library reads while it shuts
        down, and refuses what it finds.
        """
        with self._write_lock, self._io_lock:
            if not isinstance(self._sock, ssl.SSLSocket):
                self._sock.shutdown(socket.SHUT_WR)
                return
            with contextlib.suppress(ssl.SSLWantReadError):  # it says so, and does not wait for the other side to agree
                self._sock.unwrap()

    def _wait(self, what: int, timeout: float | None) -> None:
        poll = select.poll()
        poll.register(self._sock, what)
        if not poll.poll(None if timeout is None else timeout * 1000):
            raise TimeoutError("nothing arrived in time")

    def close(self) -> None:
        """Wake whoever reads or writes, and close the connection."""
        self._closed = True
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self._sock, socket.SHUT_RDWR)
        with self._read_lock, self._write_lock:
            self._sock.close()

    def __del__(self) -> None:
        self._sock.close()  # a stream that nobody closed does not keep its connection


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
        connection = ThreadSafeSocket(connect(endpoint))
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
