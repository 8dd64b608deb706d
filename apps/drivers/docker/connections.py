"""Connections to an engine, by any scheme, with or without TLS; one may be shared between threads."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import tempfile
import threading
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from apps.drivers.base import Endpoint, EngineRefused
from apps.drivers.dialing import Secure, dialers
from apps.drivers.docker.tls_stream import TlsStream
from apps.drivers.engine_addresses import resolve_engine

CONNECT_TIMEOUT = 4.0
SEND_TIMEOUT = 30.0
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
    sock: socket.socket = _connect(endpoint, _wrap_socket)
    return sock


def connect_stream(endpoint: Endpoint) -> ThreadSafeSocket:
    """A connection for several threads, by any of the schemes. Raises as `connect` does."""
    return ThreadSafeSocket(_connect(endpoint, TlsStream))


def _wrap_socket(sock: socket.socket, context: ssl.SSLContext, server_hostname: str) -> ssl.SSLSocket:
    return context.wrap_socket(sock, server_hostname=server_hostname)


def _connect(endpoint: Endpoint, secure: Secure) -> Any:
    scheme = endpoint.url.partition("://")[0]
    if dial := dialers.get(scheme):
        return dial(endpoint, secure)
    if scheme == "unix":
        return connect_unix(endpoint.url.removeprefix("unix://"))
    if scheme == "ssh":
        from apps.drivers.ssh import connection  # slow to load, and most portals never need it

        return connection.dial(endpoint)
    return _connect_tcp(endpoint, secure)


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


def _connect_tcp(endpoint: Endpoint, secure: Secure) -> Any:
    """TCP, with TLS where the endpoint has any."""
    host, port = parse_tcp_address(endpoint)
    sock = _connect_first(resolve_engine(host, port))
    try:
        _enable_keepalive(sock)
        context = tls_context(endpoint)
        return secure(sock, context, host) if context else sock
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

    def __init__(self, sock: socket.socket | TlsStream) -> None:
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
                except BlockingIOError:
                    self._wait(select.POLLIN, timeout)
                except OSError:
                    return b""
            return b""

    def send(self, data: bytes, timeout: float | None = SEND_TIMEOUT) -> None:
        """All of `data`. Raises `OSError` when the connection is gone or takes nothing for `timeout` seconds."""
        left = memoryview(data)
        with self._write_lock:
            while left:
                if self._closed:
                    raise BrokenPipeError("the connection is closed")
                try:
                    with self._io_lock:
                        left = left[self._sock.send(left) :]
                except BlockingIOError:
                    self._wait(select.POLLOUT, timeout)
            self._flush(timeout)

    def end_sending(self, timeout: float | None = SEND_TIMEOUT) -> None:
        """Nothing more is sent; what the other side still sends is read. Raises `OSError`."""
        with self._write_lock:
            with self._io_lock:
                if not isinstance(self._sock, TlsStream):
                    self._sock.shutdown(socket.SHUT_WR)
                    return
                self._sock.end_sending()
            self._flush(timeout)

    def _flush(self, timeout: float | None) -> None:
        while isinstance(self._sock, TlsStream):
            if self._closed:
                raise BrokenPipeError("the connection is closed")
            try:
                with self._io_lock:
                    self._sock.flush()
                    break
            except BlockingIOError:
                self._wait(select.POLLOUT, timeout)

    def _wait(self, what: int, timeout: float | None) -> None:
        poll = select.poll()
        poll.register(self._sock, what)
        if not poll.poll(None if timeout is None else timeout * 1000):
            raise TimeoutError("nothing arrived in time")

    def close(self) -> None:
        """Wake whoever reads or writes, and close the connection."""
        self._closed = True
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
        with self._read_lock, self._write_lock:
            self._sock.close()

    def __del__(self) -> None:
        self._sock.close()  # a stream that nobody closed does not keep its connection
