"""A server that answers what it must like any other, and everything else without end: an engine or a provider."""

from __future__ import annotations

import functools
import gzip
import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

Answer = Callable[[str], Iterator[bytes]]

_VERSION = {"Version": "20.10.24", "ApiVersion": "1.41", "MinAPIVersion": "1.12"}
_PIECE = 64 * 1024
_OK = b"HTTP/1.1 200 OK\r\nConnection: close\r\n"


def endless_body(_path: str) -> Iterator[bytes]:
    """One JSON text that never ends."""
    yield _OK + b'\r\n[{"Id": "'
    while True:
        yield b"a" * _PIECE


def endless_rows(_path: str) -> Iterator[bytes]:
    """A list with more and more small rows, or as many small lines."""
    yield _OK + b"\r\n["
    while True:
        yield b'{"Id": "1"},\n' * 5000


def endless_head(_path: str) -> Iterator[bytes]:
    """Headers without end."""
    yield _OK
    while True:
        yield b"X-More: " + b"a" * 1000 + b"\r\n"


def endless_refusal(_path: str) -> Iterator[bytes]:
    """A refusal whose reason never ends."""
    yield b'HTTP/1.1 409 Conflict\r\nConnection: close\r\n\r\n{"message": "'
    while True:
        yield b"a" * _PIECE


def packed_bomb(_path: str) -> Iterator[bytes]:
    """A megabyte's worth of what unpacks to a thousand times as much."""
    yield _OK + b"Content-Encoding: gzip\r\n\r\n" + _bomb()


@functools.cache
def _bomb() -> bytes:
    return gzip.compress(b" " * (32 * 1024 * 1024))


class SlowDrip:
    """One byte after the other, one each minute by the clock that this is."""

    __name__ = "slow_drip"

    def __init__(self, byte: bytes) -> None:
        self.now = 0.0
        self._byte = byte

    def monotonic(self) -> float:
        return self.now

    def __call__(self, _path: str) -> Iterator[bytes]:
        yield _OK + b"\r\n"
        while True:
            self.now += 60
            yield self._byte


def giant_frame(_path: str) -> Iterator[bytes]:
    """A frame of four gigabytes."""
    yield _OK + b"\r\n" + struct.pack(">BxxxL", 1, 2**32 - 1)
    while True:
        yield b"a" * _PIECE


def complete(body: bytes) -> bytes:
    """An answer like any other."""
    return _OK + f"Content-Length: {len(body)}\r\n\r\n".encode() + body


def nonsense(path: str) -> Iterator[bytes]:
    """JSON of the wrong form, each place a different one."""
    body = {"/info": b"[1]", "/containers/json": b'[{"Names": 5}]'}.get(path, b'{"Id": {}, "Config": [], "State": "x"}')
    yield complete(body)


class HostileServer:
    """Answers until it is closed; `sent` counts the bytes, whoever read them.

    What an answer's test does not concern, such as the version, is answered as it should be.
    """

    def __init__(self, listener: socket.socket, answer: Answer, honest: dict[str, object]) -> None:
        self.sent = 0
        self._answer, self._honest = answer, {"/version": _VERSION, **honest}
        self._listener = listener
        self._listener.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    @classmethod
    def on_path(cls, path: Path, answer: Answer, honest: dict[str, object]) -> HostileServer:
        """An engine's, on a unix socket."""
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        return cls(listener, answer, honest)

    @classmethod
    def on_port(cls, answer: Answer) -> HostileServer:
        """Any other, on a port of this machine."""
        return cls(socket.create_server(("127.0.0.1", 0)), answer, {})

    @property
    def address(self) -> str:
        """Host and port."""
        return "{}:{}".format(*self._listener.getsockname()[:2])

    def close(self) -> None:
        """Take no more connections."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(client,), daemon=True).start()

    def _talk(self, client: socket.socket) -> None:
        client.settimeout(30)
        with client:
            try:
                path = self._read_path(client)
                for piece in self._pieces(path):
                    client.sendall(piece)
                    self.sent += len(piece)
            except (OSError, IndexError):
                return

    def _pieces(self, path: str) -> Iterator[bytes]:
        if path not in self._honest:
            return self._answer(path)
        body = json.dumps(self._honest[path]).encode()
        return iter([complete(body)])

    @staticmethod
    def _read_path(client: socket.socket) -> str:
        head = b""
        while b"\r\n\r\n" not in head or (b"chunked" in head and not head.endswith(b"0\r\n\r\n")):
            piece = client.recv(65536)
            if not piece:
                raise OSError
            head += piece
        path = head.split()[1].decode().partition("?")[0]
        return path[path.index("/", 1) :] if path.startswith("/v1.") else path
