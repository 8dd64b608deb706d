"""Bodies are refused while they arrive: too large, too slow, or more than the portal keeps at a time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest

from portal.front_door import bodies
from portal.front_door.bodies import BodyBudget, BodyGuard, BodyReader
from portal.front_door.limits import FORM_BODY, KB, MAX_BODY, MB, SMALL_BODY, body_limit
from portal.front_door.refusals import Message, Receive, Scope, Send

COOKIE = (b"cookie", b"corral_session=x")
CHUNKED = (b"transfer-encoding", b"chunked")


class Server:
    """An ASGI server with one request; `block` parts of the body arrive, then nothing (or the end)."""

    def __init__(self, parts: Iterator[bytes] | list[bytes], *, ends: bool = True) -> None:
        self.sent: list[Message] = []
        self.taken = 0
        self._parts, self._ends = iter(parts), ends

    async def receive(self) -> Message:
        await asyncio.sleep(0)
        part = next(self._parts, None)
        if part is not None:
            self.taken += len(part)
            return {"type": "http.request", "body": part, "more_body": True}
        if self._ends:
            return {"type": "http.request", "body": b"", "more_body": False}
        await asyncio.Event().wait()
        raise AssertionError

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    @property
    def answer(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(b"".join(message["body"] for message in self.sent[1:]))
        return found

    def header(self, name: bytes) -> bytes:
        return dict(self.sent[0]["headers"]).get(name, b"")


class Reader:
    """An application that reads the whole body, as Django does, and answers its length; it gives up when cut off."""

    def __init__(self) -> None:
        self.called = self.left = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.called, size = True, 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.left = True
                return
            size += len(message["body"])
            if not message["more_body"]:
                break
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": str(size).encode(), "more_body": False})


def run(
    server: Server,
    *headers: tuple[bytes, bytes],
    path: str = "/login",
    method: str = "POST",
    application: Any = None,
    budget: BodyBudget | None = None,
) -> Server:
    scope = {"type": "http", "method": method, "path": path, "headers": list(headers), "client": ("192.0.2.1", 1)}
    asyncio.run(BodyGuard(application or Reader(), budget)(scope, server.receive, server.send))
    return server


def blocks(size: int = 16 * KB) -> Iterator[bytes]:
    """A body without end."""
    while True:
        yield bytes(size)


def test_a_small_body_passes():
    assert run(Server([b"abc"]), CHUNKED).status == 200


def test_an_announced_flood_is_refused_before_anything_reads_it():
    reader = Reader()
    server = run(Server([]), (b"content-length", str(SMALL_BODY + 1).encode()), application=reader)
    assert (server.status, server.answer["code"]) == (413, "MaxLimitExceeded")
    assert "64 KB" in server.answer["message"]
    assert server.header(b"connection") == b"close"
    assert not reader.called


@pytest.mark.parametrize("path", ["/login", "/healthz", "/v1/token", "/setup/x", "/nowhere", "/env/5/stacks/new"])
def test_an_endless_body_is_cut_where_it_passes_the_limit(path: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(bodies, "_DRAIN_SIZE", 1)
    reader = Reader()
    server = run(Server(blocks()), CHUNKED, path=path, application=reader)
    assert server.status == 413
    assert reader.left
    assert server.taken <= SMALL_BODY + 3 * 16 * KB


def test_what_is_drained_after_a_refusal_has_a_limit_too():
    server = run(Server(blocks(MB)), CHUNKED)
    assert server.status == 413
    assert server.taken <= SMALL_BODY + 10 * MB


def test_the_client_that_waits_for_a_word_is_not_asked_to_send():
    server = run(Server(blocks()), (b"content-length", b"99999999"), (b"expect", b"100-continue"))
    assert (server.status, server.taken) == (413, 0)


@pytest.mark.parametrize("length", [b"-1", b"1e3", b"", b"\xb2", b"1 2"])
def test_a_length_that_is_no_number_is_refused(length: bytes):
    assert run(Server([]), (b"content-length", length)).status == 400


def test_a_length_of_thousands_of_digits_is_too_large():
    assert run(Server([]), (b"content-length", b"9" * 10_000)).status == 413
    assert run(Server([]), (b"content-length", b"0" * 10_000 + b"1")).status == 200


def test_a_body_that_stops_coming_is_timed_out(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(bodies, "BODY_SECONDS", 0)
    monkeypatch.setattr(bodies, "_DRAIN_SECONDS", 0)
    reader = Reader()
    server = run(Server([], ends=False), (b"content-length", b"100"), application=reader)
    assert server.status == 408
    assert reader.left


def test_what_has_arrived_buys_time(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(bodies, "BODY_SECONDS", 0)
    assert run(Server([b"abc", b"def"]), CHUNKED).status == 408  # no time at all
    monkeypatch.setattr(bodies, "MIN_BODY_RATE", 0.001)

    async def read_on() -> Message:
        reader = BodyReader(Server([b"abc"]).receive, SMALL_BODY, "", BodyBudget())
        reader._size = 1
        return await reader()

    assert asyncio.run(read_on())["body"] == b"abc"


def test_bodies_in_memory_have_a_budget_that_is_given_back():
    budget = BodyBudget(total=MB, per_client=512 * KB)
    v1: dict[str, Any] = {"path": "/v1/projects", "budget": budget}
    assert run(Server([bytes(256 * KB)]), CHUNKED, **v1).status == 200
    assert budget.used == 0
    server = run(Server([bytes(700 * KB)]), CHUNKED, **v1)
    assert (server.status, server.header(b"retry-after")) == (503, b"5")
    assert budget.used == 0


def test_a_client_that_took_its_share_does_not_take_that_of_others():
    budget = BodyBudget(total=10, per_client=6)
    assert budget.take("a", 6)
    assert not budget.take("a", 1)
    assert budget.take("b", 4)
    assert not budget.take("c", 1)
    budget.give_back("a", 6)
    assert budget.take("c", 1)


def test_an_application_that_fails_gives_back_what_its_body_took():
    budget = BodyBudget()

    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        raise RuntimeError

    with pytest.raises(RuntimeError):
        run(Server([bytes(MB)]), CHUNKED, path="/v1/projects", application=broken, budget=budget)
    assert budget.used == 0


def test_a_request_without_a_body_and_a_socket_go_straight_through():
    seen: list[Any] = []

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(receive)

    server = Server([])
    for scope in ({"type": "http", "headers": []}, {"type": "websocket", "headers": [CHUNKED]}):
        asyncio.run(BodyGuard(application)(scope, server.receive, server.send))
    assert seen == [server.receive] * 2


@pytest.mark.parametrize(
    ("method", "path", "has_credential", "expected"),
    [
        ("GET", "/v1/hosts", True, SMALL_BODY),
        ("POST", "/login", True, SMALL_BODY),
        ("POST", "/v1/token", True, SMALL_BODY),
        ("POST", "/v1/registers", False, SMALL_BODY),
        ("POST", "/v1/scripts/transform", True, MAX_BODY),
        ("POST", "/v1", True, MAX_BODY),
        ("PUT", "/v1/services/1s5", False, MAX_BODY),  # access control may be off
        ("POST", "/v1x", False, SMALL_BODY),
        ("POST", "/env/5/stacks/new", True, MAX_BODY),
        ("POST", "/env/5/stacks/new", False, SMALL_BODY),
        ("POST", "/env/5/containers/bulk", True, FORM_BODY),
        ("POST", "/settings", True, FORM_BODY),
    ],
)
def test_the_limit_fits_the_route(method: str, path: str, has_credential: bool, expected: int):
    assert body_limit(method, path, has_credential=has_credential) == expected
