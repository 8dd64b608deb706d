"""Files through the real server: the front door's protocol, the guard, and an application that reads them."""

from __future__ import annotations

import asyncio
import http.client
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn

from apps.core.streams import ARRIVING_FILE, FileBrokenOff
from portal.front_door import files
from portal.front_door.bodies import BodyGuard
from portal.front_door.http_protocol import GuardedHttpProtocol
from portal.front_door.refusals import Receive, Scope, Send

PATH = "/v1/hosts/1h1?action=importimage"
PIECE = b"x" * 65_536


class _Application:
    """Counts a file, or refuses it, by the path; what became of the last one is kept."""

    def __init__(self) -> None:
        self.size = -1
        self.error = ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        await receive()
        refuses = dict(scope["headers"]).get(b"x-refuse")
        if not refuses:
            await asyncio.to_thread(self._read, scope[ARRIVING_FILE])
        body = b"refused" if refuses else str(self.size).encode()
        headers = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 403 if refuses else 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _read(self, file: Any) -> None:
        size = 0
        try:
            while piece := file.read_piece():
                size += len(piece)
        except FileBrokenOff as error:
            self.error = str(error)
        self.size = size


@pytest.fixture
def application() -> _Application:
    return _Application()


@pytest.fixture
def port(application: _Application) -> Iterator[int]:
    """Where the server listens."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        config = uvicorn.Config(BodyGuard(application), http=GuardedHttpProtocol, lifespan="off", log_level="critical")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        yield int(listening.getsockname()[1])
        server.should_exit = True
        thread.join(10)


def send(port: int, pieces: Iterator[bytes], **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("POST", PATH, pieces, {"Authorization": "Basic x", **headers}, encode_chunked=True)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize("known", [True, False], ids=["with its length", "in chunks"])
def test_a_file_of_many_megabytes_arrives_whole(port: int, known: bool):
    count = 320  # 20 MB: five times what any body may have
    headers = {"Content-Length": str(count * len(PIECE))} if known else {"Transfer-Encoding": "chunked"}
    assert send(port, iter([PIECE] * count), **headers) == (200, str(count * len(PIECE)).encode())


def test_who_is_refused_reads_why_after_sending_all(port: int):
    headers = {"Content-Length": str(100 * len(PIECE)), "X-Refuse": "1"}
    assert send(port, iter([PIECE] * 100), **headers) == (403, b"refused")


def test_one_connection_carries_one_file_after_the_other(port: int):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    for count in (3, 5):
        headers = {"Authorization": "Basic x", "Content-Length": str(count * len(PIECE))}
        connection.request("POST", PATH, iter([PIECE] * count), headers)
        assert connection.getresponse().read() == str(count * len(PIECE)).encode()
    connection.close()


def test_a_connection_that_breaks_is_a_file_that_did_not_arrive(port: int, application: _Application):
    with socket.create_connection(("127.0.0.1", port)) as connection:
        head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: x\r\nContent-Length: 1000000\r\n\r\n"
        connection.sendall(head.encode() + PIECE)
    until = time.monotonic() + 10
    while not application.error and time.monotonic() < until:
        time.sleep(0.02)
    assert "did not arrive whole" in application.error


def test_a_client_that_waits_to_be_asked_is_asked_only_when_the_file_is_read(port: int):
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        head = (
            f"POST {PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"
        )
        connection.sendall(head.encode())
        assert connection.recv(1000).startswith(b"HTTP/1.1 100")
        connection.sendall(b"abc")
        assert b"200 OK" in connection.recv(1000)


def test_a_client_that_stands_still_is_given_up(port: int, application: _Application, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(files, "BODY_SECONDS", 0.2)
    monkeypatch.setattr(files, "_DRAIN_SECONDS", 0.2)
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: x\r\nContent-Length: 1000000\r\n\r\n"
        connection.sendall(head.encode() + b"x")
        assert b"200 OK" in connection.recv(1000)
    assert "did not arrive whole" in application.error
