"""A shell carries bytes both ways, stops reading when the browser does, and ends with its socket."""

from __future__ import annotations

import asyncio
import base64
import json
import threading
from typing import Any

import pytest

from apps.containers.models import Container
from apps.drivers.base import EngineConflict, EngineDown
from apps.environments.services import ticket_issue
from apps.realtime import shell
from tests.realtime.scripted_engine import ScriptedEngine, ScriptedSession
from tests.realtime.websocket_client import (
    WebSocketClient,
    becomes_true,
    run_async,
    session_headers,
    threads_named,
)

pytestmark = pytest.mark.django_db(transaction=True)


def test_keys_go_in_and_output_comes_out(people: Any, container: Container, engine: ScriptedEngine) -> None:
    headers = session_headers(people.rex)

    async def scenario() -> None:
        async with WebSocketClient(
            f"/ws/shell?container={container.pk}&command=cat+'a+b'", headers
        ) as websocket_client:
            await websocket_client.send(b"typed ahead ")
            await websocket_client.send({"type": "resize", "columns": 132, "rows": 50})
            await websocket_client.send(b"and on\xff\n")
            engine.session.feed(b"\x1b[1mhello", b"\xff\xfe")
            assert (await websocket_client.frame())["bytes"] == b"\x1b[1mhello"
            assert (await websocket_client.frame())["bytes"] == b"\xff\xfe"
            assert await asyncio.to_thread(becomes_true, lambda: engine.session.got.endswith(b"\n"))

    run_async(scenario)
    assert engine.calls == [("inspect", "c0ffee"), ("exec", "c0ffee", ["cat", "a b"])]
    assert engine.session.got == b"typed ahead and on\xff\n"
    assert engine.session.sizes == [(132, 50)]


def test_without_a_terminal_stdout_stderr_and_the_end_of_input_are_separate(
    actor_of: Any, container: Container, engine: ScriptedEngine
) -> None:
    token = ticket_issue(
        actor=actor_of("rex"),
        environment_id=container.environment_id,
        verb="exec",
        kind="container",
        target=container.pk,
        details={"command": ["cat"], "tty": False},
    )

    async def scenario() -> None:
        async with WebSocketClient(f"/ws/shell?token={token}", {}) as websocket_client:
            await websocket_client.send(b"\x00\xff\x04")
            await websocket_client.send({"type": "eof"})
            engine.session.feed(b"\x00\xff", b"error: no")
            assert (await websocket_client.frame())["bytes"] == b"\x01\x00\xff"
            assert (await websocket_client.frame())["bytes"] == b"\x02error: no"
            assert await asyncio.to_thread(becomes_true, lambda: engine.session.got.endswith(b"<end>"))

    run_async(scenario)
    assert engine.calls[-1] == ("exec", "c0ffee", ["cat"], False)
    assert engine.session.got == b"\x00\xff\x04<end>"


def test_the_end_tells_the_exit_code(people: Any, container: Container, engine: ScriptedEngine) -> None:
    headers = session_headers(people.rex)
    engine.session.code = 130

    async def scenario() -> None:
        async with WebSocketClient(f"/ws/shell?container={container.pk}", headers) as websocket_client:
            engine.session.finish()
            assert await websocket_client.json() == {"type": "end", "code": 130}
            assert await websocket_client.code() == 1000

    run_async(scenario)


def test_a_container_that_does_not_run_is_the_reason(people: Any, container: Container, engine: ScriptedEngine) -> None:
    headers = session_headers(people.rex)
    engine.error = EngineConflict("container is not running")

    async def scenario() -> None:
        async with WebSocketClient(f"/ws/shell?container={container.pk}", headers) as websocket_client:
            assert await websocket_client.json() == {"type": "end", "code": None, "reason": "container is not running"}

    run_async(scenario)


def test_a_host_that_dies_meanwhile_ends_the_shell(people: Any, container: Container, engine: ScriptedEngine) -> None:
    headers = session_headers(people.rex)

    async def scenario() -> None:
        async with WebSocketClient(f"/ws/shell?container={container.pk}", headers) as websocket_client:
            engine.session.finish(EngineDown("h1 does not answer"))
            assert (await websocket_client.json("end"))["reason"] == "h1 does not answer"

    run_async(scenario)


def test_quotes_left_open_are_no_command(people: Any, container: Container, engine: ScriptedEngine) -> None:
    headers = session_headers(people.rex)

    async def scenario() -> None:
        async with WebSocketClient(f"/ws/shell?container={container.pk}&command=echo+'", headers) as websocket_client:
            assert await websocket_client.code() == 4404

    run_async(scenario)
    assert engine.calls == []


def test_nonsense_from_the_client_changes_nothing(people: Any, container: Container, engine: ScriptedEngine) -> None:
    headers = session_headers(people.rex)
    bad_size = '{"type":"resize","columns":"x","rows":1}'

    async def scenario() -> None:
        async with WebSocketClient(f"/ws/shell?container={container.pk}", headers) as websocket_client:
            for frame in ("{", "[]", "7", '{"type":"resize"}', bad_size, "{}", "null"):
                await websocket_client.send(frame)
            engine.session.feed(b"$ ")
            assert (await websocket_client.frame())["bytes"] == b"$ "

    run_async(scenario)
    assert engine.session.sizes == []


def test_a_closed_tab_closes_the_session_and_its_threads(
    people: Any, container: Container, engine: ScriptedEngine
) -> None:
    headers = session_headers(people.rex)

    async def scenario() -> None:
        async with WebSocketClient(f"/ws/shell?container={container.pk}", headers) as websocket_client:
            engine.session.feed(b"$ ")
            await websocket_client.frame()
            assert len(threads_named("shell-")) == 2

    run_async(scenario)
    assert becomes_true(engine.session.closed.is_set)
    assert becomes_true(lambda: not threads_named("shell-"))


def test_output_is_read_no_faster_than_the_browser_takes_it(
    people: Any, container: Container, engine: ScriptedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = session_headers(people.rex)
    stalled = asyncio.Event()
    send = shell.ShellSocket.send

    async def slow(self: Any, **frame: Any) -> None:
        await stalled.wait()
        await send(self, **frame)

    monkeypatch.setattr(shell.ShellSocket, "send", slow)

    async def scenario() -> None:
        async with WebSocketClient(f"/ws/shell?container={container.pk}", headers) as websocket_client:
            engine.session.feed(*[bytes([n]) for n in range(100)])
            await asyncio.sleep(0.3)
            assert engine.session.read_count == 1
            stalled.set()
            assert b"".join([(await websocket_client.frame())["bytes"] for _ in range(100)]) == bytes(range(100))

    run_async(scenario)


def test_a_stalled_browser_that_leaves_frees_the_thread(
    people: Any, container: Container, engine: ScriptedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = session_headers(people.rex)

    async def never(_self: Any, **_frame: Any) -> None:
        await asyncio.sleep(3600)

    monkeypatch.setattr(shell.ShellSocket, "send", never)

    async def scenario() -> None:
        async with WebSocketClient(f"/ws/shell?container={container.pk}", headers):
            engine.session.feed(b"x" * 100)
            await asyncio.sleep(0.2)

    run_async(scenario)
    assert becomes_true(lambda: not threads_named("shell-"))


def test_a_command_that_does_not_read_blocks_no_other_socket(
    people: Any, container: Container, engine: ScriptedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = session_headers(people.rex)
    monkeypatch.setattr(shell, "_INPUT_TIMEOUT", 0.5)
    monkeypatch.setattr(engine.session, "write", lambda _data: engine.session.closed.wait())

    async def scenario() -> None:
        async with WebSocketClient(f"/ws/shell?container={container.pk}", headers) as websocket_client:
            for _ in range(40):
                await websocket_client.send(b"x" * 1000)
            engine.session.feed(b"still talking")
            assert (await websocket_client.frame())["bytes"] == b"still talking"
            assert await websocket_client.code() == 1009

    run_async(scenario)
    assert becomes_true(lambda: not threads_named("shell-"))


def test_what_waits_for_a_command_that_does_not_read_is_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shell, "_INPUT_TIMEOUT", 0.05)
    session = ScriptedSession()
    reading = threading.Event()
    monkeypatch.setattr(session, "write", lambda _data: reading.wait())
    keys = shell._Input(session)

    taken: list[bool] = []

    async def scenario() -> None:
        sizes = (900_000, 1, 200 * 1024, 0)  # the last is a resize
        taken.extend([await keys.add(lambda opened: opened.write(b""), size) for size in sizes])
        reading.set()
        taken.append(await asyncio.to_thread(becomes_true, lambda: keys._queued_bytes == 0))
        taken.append(await keys.add(lambda _session: None, 1000))

    try:
        run_async(scenario)
    finally:
        reading.set()
        keys.close()
    assert taken == [True, False, False, True, True, True]


def test_a_frame_of_more_than_a_megabyte_is_refused(people: Any, container: Container, engine: ScriptedEngine) -> None:
    headers = session_headers(people.rex)

    async def scenario() -> None:
        async with WebSocketClient(f"/ws/shell?container={container.pk}", headers) as websocket_client:
            await websocket_client.send(b"x" * 1_000_001)
            assert await websocket_client.code() == 1009

    run_async(scenario)


def test_v1_clients_speak_base64(container: Container, engine: ScriptedEngine, actor_of: Any) -> None:
    token = ticket_issue(
        actor=actor_of("rex"),
        environment_id=container.environment_id,
        verb="exec",
        kind="container",
        target=container.pk,
        details={"command": ["/bin/ls", "-l"]},
    )

    async def scenario() -> None:
        async with WebSocketClient(f"/v1/exec/?token={token}", {}) as websocket_client:
            await websocket_client.send("not base64!")
            await websocket_client.send(base64.b64encode(b"ls\n").decode())
            engine.session.feed(b"a  b\n")
            assert base64.b64decode((await websocket_client.frame())["text"]) == b"a  b\n"
            assert await asyncio.to_thread(becomes_true, lambda: engine.session.got == b"ls\n")
            engine.session.finish()
            assert await websocket_client.code() == 1000

    run_async(scenario)
    assert engine.calls == [("inspect", "c0ffee"), ("exec", "c0ffee", ["/bin/ls", "-l"])]
    assert json.dumps(engine.session.sizes) == "[]"
