"""One HTTP request to a port of a container: what is passed on, what is returned, and what goes wrong."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from apps.containers import http_proxy
from apps.containers.http_proxy import ProxiedAnswer, ProxyFailed, proxied_request
from apps.core.errors import Busy, Problem
from apps.drivers.base import EngineDown


class WebServer:
    """What is connected with the port: answers with these pieces once something was sent."""

    def __init__(self, *pieces: Any, code: int | None = 0) -> None:
        self.pieces, self.code = list(pieces), code
        self.got, self.closed = b"", False

    def write(self, data: bytes) -> None:
        self.got += data

    def read(self, _size: int = 65536) -> bytes:
        while self.pieces and self.pieces[0] is None and not self.closed:  # says nothing
            time.sleep(0.005)
        piece = b"" if not self.pieces or self.closed else self.pieces.pop(0)
        if isinstance(piece, Exception):
            raise piece
        return piece

    def exit_code(self) -> int | None:
        return self.code

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes a request to a server."""

    def make(server: WebServer, method: str = "GET", target: str = "/", body: bytes = b"", **headers: str) -> Any:
        monkeypatch.setattr(http_proxy, "forward_open", lambda _row, _port: server)
        row: Any = None
        named = [(name.replace("_", "-"), value) for name, value in headers.items()]
        try:
            return proxied_request(row, 8080, method, target, named, body)
        finally:
            assert server.closed

    return make


OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"


@pytest.mark.parametrize(
    "pieces",
    [
        (OK + b"Content-Length: 5\r\n\r\nhello",),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"),
        (OK + b"\r\nhel", b"lo"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", OK + b"Content-Length: 5\r\n\r\nhello"),
        tuple(bytes([each]) for each in OK + b"Content-Length: 5\r\n\r\nhello"),
    ],
)
def test_an_answer_is_read_however_its_length_is_said(ask: Any, pieces: tuple[bytes, ...]):
    assert ask(WebServer(*pieces)) == ProxiedAnswer(200, (("content-type", "text/plain"),), b"hello")


def test_nothing_that_says_who_asks_is_passed_on(ask: Any):
    server = WebServer(OK + b"Content-Length: 0\r\n\r\n")
    secret = {"Authorization": "Basic x", "Cookie": "session=x", "X_Api_Project_Id": "1a5", "X_Corral_Signature": "x"}
    ask(server, "POST", "/a?b=1", b"body", Accept="text/html", Content_Type="text/x", **secret)
    head, _, body = server.got.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert (lines[0], body) == ("POST /a?b=1 HTTP/1.1", b"body")
    assert sorted(line.lower() for line in lines[1:]) == [
        "accept-encoding: identity",
        "accept: text/html",
        "connection: close",
        "content-length: 4",
        "content-type: text/x",
        "host: localhost:8080",
    ]


def test_headers_that_a_browser_would_act_on_are_not_returned(ask: Any):
    more = b"Set-Cookie: a=b\r\nLocation: http://evil\r\nRefresh: 1\r\nAccess-Control-Allow-Origin: *\r\nETag: x\r\n"
    found = ask(WebServer(OK + more + b"Content-Length: 0\r\n\r\n"))
    assert dict(found.headers) == {"content-type": "text/plain", "etag": "x"}


@pytest.mark.parametrize(
    ("server", "words"),
    [
        (WebServer(b"SSH-2.0-OpenSSH\r\n"), "not understood"),
        (WebServer(OK + b"Content-Length: 9\r\n\r\nhel"), "not understood"),
        (WebServer(b"", code=1), "Nothing listens on port 8080"),
        (WebServer(b"", code=127), "neither nc, socat nor bash"),
        (WebServer(EngineDown("The engine is gone.")), "The engine is gone"),
    ],
)
def test_what_is_no_answer_is_said(ask: Any, server: WebServer, words: str):
    with pytest.raises(ProxyFailed, match=words) as failed:
        ask(server)
    assert failed.value.status == 502


def test_an_answer_has_its_time_and_its_size(ask: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(http_proxy, "TIMEOUT", 0.05)
    with pytest.raises(ProxyFailed, match="did not answer within"):
        ask(WebServer(None))
    monkeypatch.setattr(http_proxy, "TIMEOUT", 30.0)
    monkeypatch.setattr(http_proxy, "MAX_ANSWER", 10)
    with pytest.raises(ProxyFailed, match="forward the port instead"):
        ask(WebServer(OK + b"\r\n", b"x" * 8, b"x" * 8))


@pytest.mark.parametrize("target", ["/a b", "/a\r\nX: y", "/é"])
def test_a_request_that_cannot_be_written_is_refused(ask: Any, target: str):
    server = WebServer(OK)
    with pytest.raises((Problem, UnicodeError)):
        ask(server, "GET", target)
    assert server.got == b""


def test_so_many_at_once_and_no_more(ask: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(http_proxy, "_places", threading.BoundedSemaphore(1))
    with pytest.raises(ProxyFailed):
        ask(WebServer(b""))
    ask(WebServer(OK + b"Content-Length: 0\r\n\r\n"))
    assert http_proxy._places.acquire(blocking=False)
    row: Any = None
    with pytest.raises(Busy, match="try again"):
        proxied_request(row, 80, "GET", "/", [], b"")
