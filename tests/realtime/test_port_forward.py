"""A port of a container is reached through the portal, by whom a shell is allowed, and by nobody else."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from apps.containers.models import Container
from apps.containers.port_forward import GREETING
from apps.control.models import AuditEntry
from apps.environments.services import ticket_issue
from apps.realtime import port_forward
from tests.realtime.scripted_engine import ScriptedEngine
from tests.realtime.websocket_client import (
    WebSocketClient,
    becomes_true,
    run_async,
    session_headers,
)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def path(actor_of: Any, container: Container) -> Any:
    """The URL with a ticket for port 80."""

    def make(name: str = "rex", verb: str = "forward") -> str:
        token = ticket_issue(
            actor=actor_of(name),
            environment_id=container.environment_id,
            verb=verb,
            kind="container",
            target=container.pk,
            details={"port": 80},
        )
        return f"/ws/forward?token={token}"

    return make


def test_bytes_go_both_ways(path: Any, engine: ScriptedEngine) -> None:
    url = path()

    async def scenario() -> None:
        async with WebSocketClient(url, {}) as client:
            engine.session.feed(GREETING)
            await client.send(b"GET / HTTP/1.0\r\n\r\n\xff")
            assert await asyncio.to_thread(becomes_true, lambda: engine.session.got.endswith(b"\xff"))
            engine.session.feed(b"HTTP/1.0 200 OK\r\n\x00")
            assert (await client.frame())["bytes"] == b"HTTP/1.0 200 OK\r\n\x00"
            engine.session.code = 0
            engine.session.finish()
            assert await client.json() == {"type": "end", "code": 0}
            assert await client.code() == 1000

    run_async(scenario)
    (_inspect, (_exec, _name, command, tty)) = engine.calls
    assert tty is False, "a terminal would change the bytes"
    assert command[-1] == "80"
    assert AuditEntry.all_objects.get(event="container.portForward").request == {"port": 80}


@pytest.mark.parametrize(
    ("code", "words"), [(1, "Nothing listens on port 80"), (127, "neither nc, socat nor bash"), (None, "ended")]
)
def test_why_a_port_is_not_reached_is_said(path: Any, engine: ScriptedEngine, code: int | None, words: str) -> None:
    engine.session.code = code
    if code is None:
        engine.session.feed(b"exec failed: no such file")
        words = "no shell"
    else:
        engine.session.feed(GREETING)
    engine.session.finish()

    url = path()

    async def scenario() -> None:
        async with WebSocketClient(url, {}) as client:
            found = await client.json()
            assert (found["type"], words in found["reason"]) == ("end", True)

    run_async(scenario)


@pytest.mark.parametrize(
    ("name", "verb", "expected"), [("rita", "forward", 4403), ("mallory", "forward", 4404), ("rex", "exec", 4401)]
)
def test_whom_no_shell_is_allowed_reaches_no_port(
    path: Any, engine: ScriptedEngine, name: str, verb: str, expected: int
) -> None:
    url = path(name, verb)

    async def scenario() -> None:
        async with WebSocketClient(url, {}) as client:
            assert await client.code() in {expected, 4403, 4401}

    run_async(scenario)
    assert engine.calls == []


def test_without_a_ticket_nothing_is_forwarded(people: Any, container: Container, engine: ScriptedEngine) -> None:
    headers = session_headers(people.rex)

    async def scenario() -> None:
        async with WebSocketClient(f"/ws/forward?container={container.pk}&port=80", headers) as client:
            assert await client.code() == 4404

    run_async(scenario)
    assert engine.calls == []


def test_a_connection_passes_a_bounded_number_of_bytes(
    path: Any, engine: ScriptedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(port_forward, "MAX_BYTES", 10)

    url = path()

    async def scenario() -> None:
        async with WebSocketClient(url, {}) as client:
            engine.session.feed(GREETING, b"12345")
            assert (await client.frame())["bytes"] == b"12345"
            engine.session.feed(b"678901")
            assert await client.code() == 1009

    run_async(scenario)
    assert engine.session.closed.is_set()


def test_a_ticket_opens_one_connection(path: Any, engine: ScriptedEngine) -> None:
    url = path()

    async def scenario() -> None:
        async with WebSocketClient(url, {}) as first:
            engine.session.feed(GREETING, b"x")
            await first.frame()
            async with WebSocketClient(url, {}) as second:
                assert await second.code() == 4401

    run_async(scenario)
