"""A shell carries bytes both ways, stops reading when the browser does, and ends with its socket."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import pytest

from apps.containers.models import Container
from apps.drivers.base import EngineConflict, EngineDown
from apps.environments.services import ticket_issue
from apps.realtime import shell
from tests.realtime.scripted import ScriptedEngine
from tests.realtime.wire import Wire, eventually, run, session_of, threads_named

pytestmark = pytest.mark.django_db(transaction=True)


def test_keys_go_in_and_output_comes_out(people: Any, box: Container, engine: ScriptedEngine) -> None:
    headers = session_of(people.rex)

    async def story() -> None:
        async with Wire(f"/ws/shell?container={box.pk}&command=cat+'a+b'", headers) as wire:
            await wire.send(b"typed ahead ")
            await wire.send({"type": "resize", "columns": 132, "rows": 50})
            await wire.send(b"and on\xff\n")
            engine.session.feed(b"\x1b[1mhello", b"\xff\xfe")
            assert (await wire.frame())["bytes"] == b"\x1b[1mhello"
            assert (await wire.frame())["bytes"] == b"\xff\xfe"
            assert await asyncio.to_thread(eventually, lambda: engine.session.got.endswith(b"\n"))

    run(story)
    assert engine.asked == [("exec", "c0ffee", ["cat", "a b"])]
    assert engine.session.got == b"typed ahead and on\xff\n"
    assert engine.session.sizes == [(132, 50)]


def test_the_end_tells_the_exit_code(people: Any, box: Container, engine: ScriptedEngine) -> None:
    headers = session_of(people.rex)
    engine.session.code = 130

    async def story() -> None:
        async with Wire(f"/ws/shell?container={box.pk}", headers) as wire:
            engine.session.finish()
            assert await wire.json() == {"type": "end", "code": 130}
            assert await wire.code() == 1000

    run(story)


def test_a_container_that_does_not_run_is_the_reason(people: Any, box: Container, engine: ScriptedEngine) -> None:
    headers = session_of(people.rex)
    engine.error = EngineConflict("container is not running")

    async def story() -> None:
        async with Wire(f"/ws/shell?container={box.pk}", headers) as wire:
            assert await wire.json() == {"type": "end", "code": None, "reason": "container is not running"}

    run(story)


def test_a_host_that_dies_meanwhile_ends_the_shell(people: Any, box: Container, engine: ScriptedEngine) -> None:
    headers = session_of(people.rex)

    async def story() -> None:
        async with Wire(f"/ws/shell?container={box.pk}", headers) as wire:
            engine.session.finish(EngineDown("h1 does not answer"))
            assert (await wire.json("end"))["reason"] == "h1 does not answer"

    run(story)


def test_quotes_left_open_are_no_command(people: Any, box: Container, engine: ScriptedEngine) -> None:
    headers = session_of(people.rex)

    async def story() -> None:
        async with Wire(f"/ws/shell?container={box.pk}&command=echo+'", headers) as wire:
            assert await wire.code() == 4404

    run(story)
    assert engine.asked == []


def test_nonsense_from_the_client_changes_nothing(people: Any, box: Container, engine: ScriptedEngine) -> None:
    headers = session_of(people.rex)
    bad_size = '{"type":"resize","columns":"x","rows":1}'

    async def story() -> None:
        async with Wire(f"/ws/shell?container={box.pk}", headers) as wire:
            for frame in ("{", "[]", "7", '{"type":"resize"}', bad_size, "{}", "null"):
                await wire.send(frame)
            engine.session.feed(b"$ ")
            assert (await wire.frame())["bytes"] == b"$ "

    run(story)
    assert engine.session.sizes == []


def test_a_closed_tab_closes_the_session_and_its_threads(people: Any, box: Container, engine: ScriptedEngine) -> None:
    headers = session_of(people.rex)

    async def story() -> None:
        async with Wire(f"/ws/shell?container={box.pk}", headers) as wire:
            engine.session.feed(b"$ ")
            await wire.frame()
            assert len(threads_named("shell-")) == 2

    run(story)
    assert eventually(engine.session.closed.is_set)
    assert eventually(lambda: not threads_named("shell-"))


def test_output_is_read_no_faster_than_the_browser_takes_it(
    people: Any, box: Container, engine: ScriptedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = session_of(people.rex)
    stalled = asyncio.Event()
    send = shell.ShellSocket.send

    async def slow(self: Any, **frame: Any) -> None:
        await stalled.wait()
        await send(self, **frame)

    monkeypatch.setattr(shell.ShellSocket, "send", slow)

    async def story() -> None:
        async with Wire(f"/ws/shell?container={box.pk}", headers) as wire:
            engine.session.feed(*[bytes([n]) for n in range(100)])
            await asyncio.sleep(0.3)
            assert engine.session.taken == 1
            stalled.set()
            assert b"".join([(await wire.frame())["bytes"] for _ in range(100)]) == bytes(range(100))

    run(story)


def test_a_stalled_browser_that_leaves_frees_the_thread(
    people: Any, box: Container, engine: ScriptedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = session_of(people.rex)

    async def never(_self: Any, **_frame: Any) -> None:
        await asyncio.sleep(3600)

    monkeypatch.setattr(shell.ShellSocket, "send", never)

    async def story() -> None:
        async with Wire(f"/ws/shell?container={box.pk}", headers):
            engine.session.feed(b"x" * 100)
            await asyncio.sleep(0.2)

    run(story)
    assert eventually(lambda: not threads_named("shell-"))


def test_a_command_that_does_not_read_holds_nobody_up(
    people: Any, box: Container, engine: ScriptedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = session_of(people.rex)
    monkeypatch.setattr(shell, "_PATIENCE", 0.5)
    monkeypatch.setattr(engine.session, "write", lambda _data: engine.session.closed.wait())

    async def story() -> None:
        async with Wire(f"/ws/shell?container={box.pk}", headers) as wire:
            for _ in range(40):
                await wire.send(b"x" * 1000)
            engine.session.feed(b"still talking")
            assert (await wire.frame())["bytes"] == b"still talking"
            assert await wire.code() == 1009

    run(story)
    assert eventually(lambda: not threads_named("shell-"))


def test_a_frame_of_more_than_a_megabyte_is_refused(people: Any, box: Container, engine: ScriptedEngine) -> None:
    headers = session_of(people.rex)

    async def story() -> None:
        async with Wire(f"/ws/shell?container={box.pk}", headers) as wire:
            await wire.send(b"x" * 1_000_001)
            assert await wire.code() == 1009

    run(story)


def test_v1_clients_speak_base64(box: Container, engine: ScriptedEngine, actor_of: Any) -> None:
    token = ticket_issue(
        actor=actor_of("rex"),
        environment_id=box.environment_id,
        verb="exec",
        kind="container",
        target=box.pk,
        details={"command": ["/bin/ls", "-l"]},
    )

    async def story() -> None:
        async with Wire(f"/v1/exec/?token={token}", {}) as wire:
            await wire.send("not base64!")
            await wire.send(base64.b64encode(b"ls\n").decode())
            engine.session.feed(b"a  b\n")
            assert base64.b64decode((await wire.frame())["text"]) == b"a  b\n"
            assert await asyncio.to_thread(eventually, lambda: engine.session.got == b"ls\n")
            engine.session.finish()
            assert await wire.code() == 1000

    run(story)
    assert engine.asked == [("exec", "c0ffee", ["/bin/ls", "-l"])]
    assert json.dumps(engine.session.sizes) == "[]"
