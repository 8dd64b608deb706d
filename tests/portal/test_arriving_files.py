"""Files in bodies: the application is asked first, reads while they arrive, and its answer reaches who still sends."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from apps.core.streams import ARRIVING_FILE, FileBrokenOff
from portal.front_door import files
from portal.front_door.bodies import BodyGuard
from portal.front_door.files import ArrivingFile
from portal.front_door.limits import MB, carries_file
from portal.front_door.refusals import Message, Receive, Scope, Send

COOKIE = (b"cookie", b"corral_session=x")
PAGE = "/env/1a1/images/import/file"


class Client:
    """Sends `parts`, then the end, leaves, or stands still."""

    def __init__(self, *parts: bytes, then: str = "end") -> None:
        self.sent: list[Message] = []
        self.taken = 0
        self._parts, self._then = list(parts), then

    async def receive(self) -> Message:
        await asyncio.sleep(0)
        if self._parts:
            part = self._parts.pop(0)
            self.taken += len(part)
            return {"type": "http.request", "body": part, "more_body": True}
        if self._then == "end":
            return {"type": "http.request", "body": b"", "more_body": False}
        if self._then == "leave":
            return {"type": "http.disconnect"}
        await asyncio.Event().wait()
        raise AssertionError

    async def send(self, message: Message) -> None:
        self.sent.append(message)


class Application:
    """Answers with the size of the file, or with a refusal before it has read any of it."""

    def __init__(self, *, refuses: bool = False) -> None:
        self.refuses = refuses
        self.body = b""
        self.error: Exception | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        message = await receive()
        self.body = message["body"]
        assert message["more_body"] is False, "what reads bodies finds an empty one"
        status, size = 403, 0
        if not self.refuses:
            status, size = 200, await asyncio.to_thread(self._read, scope[ARRIVING_FILE])
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": str(size).encode()})

    def _read(self, file: ArrivingFile) -> int:
        size = 0
        try:
            while piece := file.read_piece():
                size += len(piece)
        except FileBrokenOff as error:
            self.error = error
        return size


def run(client: Client, application: Application, path: str = PAGE, query: bytes = b"") -> None:
    headers = [COOKIE, (b"transfer-encoding", b"chunked")]
    scope: Scope = {"type": "http", "method": "POST", "path": path, "query_string": query, "headers": headers}
    asyncio.run(BodyGuard(application)(scope, client.receive, client.send))


def answer(client: Client) -> tuple[int, bytes]:
    assert client.sent[-1]["more_body"] is False
    return client.sent[0]["status"], b"".join(message["body"] for message in client.sent[1:])


def test_a_file_larger_than_any_body_is_read_piece_by_piece():
    client, application = Client(*[b"x" * MB] * 20), Application()
    run(client, application)
    assert answer(client) == (200, str(20 * MB).encode())


def test_who_is_refused_gets_the_answer_although_the_file_is_unread():
    client, application = Client(*[b"x" * MB] * 5), Application(refuses=True)
    run(client, application)
    assert answer(client) == (403, b"0")
    assert client.taken == 5 * MB, "read on for a moment, so that the answer is not lost"


def test_a_client_that_leaves_breaks_the_file_off():
    client, application = Client(b"x", then="leave"), Application()
    run(client, application)
    assert isinstance(application.error, FileBrokenOff)


def test_a_client_that_stands_still_breaks_the_file_off(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(files, "BODY_SECONDS", 0.05)
    monkeypatch.setattr(files, "_DRAIN_SECONDS", 0.05)
    client, application = Client(b"x", then="stand still"), Application()
    run(client, application)
    assert isinstance(application.error, FileBrokenOff)


def test_a_file_beyond_every_limit_breaks_off(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(files, "MAX_FILE", 10)
    client, application = Client(b"x" * 20), Application()
    run(client, application)
    assert isinstance(application.error, FileBrokenOff)


@pytest.mark.parametrize(
    ("method", "path", "query", "has_credential", "expected"),
    [
        ("POST", PAGE, b"", True, True),
        ("POST", PAGE, b"", False, False),
        ("PUT", PAGE, b"", True, False),
        ("POST", "/env/1a1/images/pull", b"", True, False),
        ("POST", "/v1/hosts/1h1", b"action=importimage", True, True),
        ("POST", "/v1/projects/1a1/hosts/1h1/", b"x=1&action=importimage", False, True),
        ("POST", "/v1/hosts/1h1", b"action=evacuate", True, False),
        ("POST", "/v1/hosts", b"", True, False),
        ("POST", "/v1x", b"action=importimage", True, False),
        ("POST", "/v1/hosts/1h1", b"\xff=%00&;&action", True, False),
    ],
)
def test_which_requests_carry_a_file(method: str, path: str, query: bytes, *, has_credential: bool, expected: bool):
    assert carries_file(method, path, query, has_credential=has_credential) is expected


def test_an_announced_length_beyond_the_limit_is_refused_at_once():
    client, application = Client(), Application()
    headers: list[Any] = [COOKIE, (b"content-length", b"9" * 14)]
    scope: Scope = {"type": "http", "method": "POST", "path": PAGE, "query_string": b"", "headers": headers}
    asyncio.run(BodyGuard(application)(scope, client.receive, client.send))
    assert client.sent[0]["status"] == 413
