"""Logs arrive in order and in batches; slow clients cost no memory, and closing the socket closes the stream."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest

from apps.containers.models import Container
from apps.drivers.base import EngineDown, EngineNotFound, LogLine
from apps.environments.services import ticket_issue
from apps.realtime import logs
from apps.realtime.log_buffer import LogBuffer
from tests.realtime.scripted_engine import ScriptedEngine, log_line
from tests.realtime.websocket_client import (
    WebSocketClient,
    becomes_true,
    run_async,
    session_headers,
    threads_named,
)

pytestmark = pytest.mark.django_db(transaction=True)


def test_lines_arrive_in_order_and_many_to_a_frame(people: Any, container: Container, engine: ScriptedEngine) -> None:
    headers = session_headers(people.rita)
    frames: list[list[Any]] = []

    async def scenario() -> None:
        async with WebSocketClient(
            f"/ws/logs?container={container.pk}&tail=20&since=2026-01-01T00:00:00Z", headers
        ) as websocket_client:
            engine.stream.feed(*[log_line(n) for n in range(1000)])
            while sum(map(len, frames)) < 1000:
                frames.append((await websocket_client.json("lines"))["lines"])

    run_async(scenario)
    assert [text for frame in frames for _stream, _at, text in frame] == [f"line {n}" for n in range(1000)]
    assert frames[0][0][:2] == ["stdout", "2026-01-01T00:00:00.000000000Z"]
    assert len(frames) < 30
    options = {"follow": True, "tail": 20, "since": "2026-01-01T00:00:00Z", "until": ""}
    assert engine.calls == [("logs", "c0ffee", options)]


def test_a_tail_is_a_number_within_limits(people: Any, container: Container, engine: ScriptedEngine) -> None:
    headers = session_headers(people.rita)
    wanted = {"": 500, "x": 500, "-3": 500, "99999": 5000, "0": 0}

    async def scenario() -> None:
        for calls in wanted:
            async with WebSocketClient(f"/ws/logs?container={container.pk}&tail={calls}", headers) as websocket_client:
                await websocket_client.is_silent(0.05)

    run_async(scenario)
    assert [calls[2]["tail"] for calls in engine.calls if calls[0] == "logs"] == list(wanted.values())


def test_a_closed_tab_closes_the_engine_stream_and_its_thread(
    people: Any, container: Container, engine: ScriptedEngine
) -> None:
    headers = session_headers(people.rita)

    async def scenario() -> None:
        async with WebSocketClient(f"/ws/logs?container={container.pk}", headers) as websocket_client:
            engine.stream.feed(log_line(1))
            await websocket_client.json("lines")
            assert threads_named("logs-")

    run_async(scenario)
    assert becomes_true(engine.stream.closed.is_set)
    assert becomes_true(lambda: not threads_named("logs-"))


def test_a_silent_container_shows_that_the_line_is_alive(
    people: Any, container: Container, engine: ScriptedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs.LogsSocket, "ping_interval", 0.05)
    headers = session_headers(people.rita)

    async def scenario() -> None:
        async with WebSocketClient(f"/ws/logs?container={container.pk}", headers) as websocket_client:
            assert (await websocket_client.json())["type"] == "ping"

    run_async(scenario)


def test_the_end_has_a_reason(people: Any, container: Container, engine: ScriptedEngine) -> None:
    headers = session_headers(people.rita)
    engine.state = "exited"

    async def scenario() -> None:
        async with WebSocketClient(f"/ws/logs?container={container.pk}", headers) as websocket_client:
            engine.stream.feed(log_line(1))
            engine.stream.finish()
            assert (await websocket_client.json())["lines"][0][2] == "line 1"
            assert await websocket_client.json() == {"type": "end", "reason": "The container stopped (exit code 3)."}
            assert await websocket_client.code() == 1000

    run_async(scenario)


def test_a_host_that_is_down_is_the_reason(people: Any, container: Container, engine: ScriptedEngine) -> None:
    headers = session_headers(people.rita)
    engine.error = EngineDown("h1 does not answer")

    async def scenario() -> None:
        async with WebSocketClient(f"/ws/logs?container={container.pk}", headers) as websocket_client:
            assert await websocket_client.json() == {"type": "end", "reason": "h1 does not answer"}
            assert await websocket_client.code() == 1000

    run_async(scenario)


def test_a_host_that_dies_meanwhile_is_the_reason(people: Any, container: Container, engine: ScriptedEngine) -> None:
    headers = session_headers(people.rita)

    async def scenario() -> None:
        async with WebSocketClient(f"/ws/logs?container={container.pk}", headers) as websocket_client:
            await websocket_client.is_silent(0.1)
            engine.error = EngineDown("h1 does not answer")
            engine.stream.finish()
            assert (await websocket_client.json("end"))["reason"] == "h1 does not answer"

    run_async(scenario)


def test_a_container_that_vanished_is_gone(people: Any, container: Container, engine: ScriptedEngine) -> None:
    headers = session_headers(people.rita)

    async def scenario() -> None:
        async with WebSocketClient(f"/ws/logs?container={container.pk}", headers) as websocket_client:
            await websocket_client.is_silent(0.1)
            engine.error = EngineNotFound("no such container")
            engine.stream.finish()
            assert await websocket_client.code() == 4410

    run_async(scenario)


def test_a_time_that_is_none_is_the_reason(people: Any, container: Container, engine: ScriptedEngine) -> None:
    headers = session_headers(people.rita)

    async def scenario() -> None:
        for since in ("yesterday", "2026-13-01T00:00:00Z"):
            async with WebSocketClient(f"/ws/logs?container={container.pk}&since={since}", headers) as websocket_client:
                assert "is not a valid time" in (await websocket_client.json("end"))["reason"]

    run_async(scenario)


def test_a_container_without_a_host_says_so(people: Any, container: Container, engine: ScriptedEngine) -> None:
    headers = session_headers(people.rita)
    Container.all_objects.filter(pk=container.pk).update(external_id="")

    async def scenario() -> None:
        async with WebSocketClient(f"/ws/logs?container={container.pk}", headers) as websocket_client:
            assert "not on a host yet" in (await websocket_client.json("end"))["reason"]

    run_async(scenario)


def test_a_browser_that_does_not_read_misses_the_oldest_lines(
    people: Any, container: Container, engine: ScriptedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = session_headers(people.rita)
    monkeypatch.setattr(
        logs, "LogBuffer", lambda block_when_full: LogBuffer(block_when_full=block_when_full, lines=100)
    )
    stalled = asyncio.Event()
    send = logs.LogsSocket.send

    async def slow(self: Any, **frame: Any) -> None:
        await stalled.wait()
        await send(self, **frame)

    monkeypatch.setattr(logs.LogsSocket, "send", slow)

    async def scenario() -> None:
        async with WebSocketClient(f"/ws/logs?container={container.pk}", headers) as websocket_client:
            engine.stream.feed(log_line(0))
            await asyncio.sleep(0.2)
            engine.stream.feed(*[log_line(n) for n in range(1, 5001)])
            assert await asyncio.to_thread(becomes_true, lambda: engine.stream.read_count == 5001)
            stalled.set()
            assert (await websocket_client.json("lines"))["lines"][0][2] == "line 0"
            rest = (await websocket_client.json("lines"))["lines"]
            assert rest[0] == ["note", "", "… 4900 lines skipped"]
            assert [text for _stream, _at, text in rest[1:]] == [f"line {n}" for n in range(4901, 5001)]

    run_async(scenario)


def test_long_lines_are_bounded_by_their_size() -> None:
    lines = LogBuffer(size=1000)
    for _ in range(50):
        lines.put(LogLine("stdout", "", "x" * 100))
    skipped, left = lines.take()
    assert (skipped, len(left)) == (40, 10)


def fill(lines: LogBuffer, count: int) -> None:
    for number in range(count):
        lines.put(log_line(number))


def test_a_download_waits_for_its_reader_and_loses_nothing() -> None:
    lines = LogBuffer(block_when_full=True, lines=10)
    writer = threading.Thread(target=fill, args=(lines, 100))
    writer.start()
    got: list[LogLine] = []
    until = time.monotonic() + 5
    while len(got) < 100 and time.monotonic() < until:
        skipped, some = lines.take()
        assert skipped == 0
        assert len(some) <= 10
        got += some
    writer.join(30)
    assert got == [log_line(n) for n in range(100)]


def test_closing_lets_a_waiting_writer_go() -> None:
    lines = LogBuffer(block_when_full=True, lines=1)
    writer = threading.Thread(target=fill, args=(lines, 3))
    writer.start()
    lines.close()
    writer.join(30)
    assert not writer.is_alive()


def test_v1_defaults_are_a_hundred_lines_and_following(
    container: Container, engine: ScriptedEngine, actor_of: Any
) -> None:
    actor, details = actor_of("rita"), {"tail": None, "follow": None}
    token = ticket_issue(
        actor=actor,
        environment_id=container.environment_id,
        verb="logs",
        kind="container",
        target=container.pk,
        details=details,
    )

    async def scenario() -> None:
        async with WebSocketClient(f"/v1/logs/?token={token}", {}) as websocket_client:
            await websocket_client.is_silent(0.05)

    run_async(scenario)
    assert engine.calls[0][2] == {"follow": True, "tail": 100, "since": "", "until": ""}


def test_v1_clients_get_a_frame_a_line(container: Container, engine: ScriptedEngine, actor_of: Any) -> None:
    token = ticket_issue(
        actor=actor_of("rita"),
        environment_id=container.environment_id,
        verb="logs",
        kind="container",
        target=container.pk,
        details={"tail": 7, "follow": False},
    )
    engine.stream.feed(log_line(1), LogLine("stderr", "t2", "oh"), LogLine("tty", "t3", ""))
    engine.stream.finish()
    frames = []

    async def scenario() -> None:
        async with WebSocketClient(f"/v1/logs/?token={token}", {}) as websocket_client:
            while (frame := await websocket_client.frame())["type"] == "websocket.send":
                frames.append(frame["text"])

    run_async(scenario)
    assert frames == ["01 2026-01-01T00:00:00.000000001Z line 1", "02 t2 oh", "00 t3 "]
    assert engine.calls[0] == ("logs", "c0ffee", {"follow": False, "tail": 7, "since": "", "until": ""})
