"""The same sockets on the engine in memory: what a demonstration shows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from apps.containers.models import Container
from apps.drivers.base import CreateRequest, Endpoint
from apps.drivers.registry import forget
from apps.drivers.simulated import SimulatedDriver, engine, reset
from tests.realtime.wire import Wire, eventually, run, session_of, threads_named

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def sim(box: Container) -> Iterator[SimulatedDriver]:
    found = engine("h1")
    found.tick = 0.05
    name = found.create(CreateRequest("web", {"Image": "bb:local"}))
    found.start(name)
    Container.all_objects.filter(pk=box.pk).update(external_id=name)
    box.refresh_from_db()
    yield found
    reset()
    forget(Endpoint("sim://h1"))


def test_logs_follow_what_the_container_says_until_it_stops(people: Any, box: Container, sim: SimulatedDriver) -> None:
    headers = session_of(people.rita)
    sim.say(box.external_id, "before")

    async def story() -> None:
        async with Wire(f"/ws/logs?container={box.pk}", headers) as wire:
            assert (await wire.json("lines"))["lines"][-1][2] == "before"
            sim.say(box.external_id, "after", "stderr")
            (said,) = (await wire.json("lines"))["lines"]
            assert (said[0], said[2]) == ("stderr", "after")
            sim.crash(box.external_id, 9)
            assert (await wire.json("end"))["reason"] == "The container stopped (exit code 9)."

    run(story)


def test_a_shell_answers_and_exits(people: Any, box: Container, sim: SimulatedDriver) -> None:
    headers = session_of(people.bob)

    async def story() -> None:
        async with Wire(f"/ws/shell?container={box.pk}&command=/bin/sh", headers) as wire:
            await wire.send(b"echo hello\n")
            seen = b""
            while b"hello\r\n" not in seen.partition(b"\r\n")[2]:
                seen += (await wire.frame())["bytes"]
            await wire.send(b"exit 4\n")
            while "bytes" in (frame := await wire.frame()):
                pass
            assert frame["text"] == '{"type": "end", "code": 4}'

    run(story)


def test_statistics_come_until_the_engine_goes_down(people: Any, box: Container, sim: SimulatedDriver) -> None:
    headers = session_of(people.rita)

    async def story() -> None:
        async with Wire(f"/ws/stats?container={box.pk}", headers) as wire:
            await wire.json("points")
            (point,) = (await wire.json("points"))["points"][:1]
            assert point["memory"] > 0
            sim.down = True
            assert "switched off" in (await wire.json("end"))["reason"]

    run(story)
    assert eventually(lambda: not threads_named("stats-"))


def test_a_switched_off_engine_is_the_reason(people: Any, box: Container, sim: SimulatedDriver) -> None:
    headers = session_of(people.bob)
    sim.down = True

    async def story() -> None:
        for path in ("logs", "shell", "stats"):
            async with Wire(f"/ws/{path}?container={box.pk}", headers) as wire:
                assert "switched off" in (await wire.json("end"))["reason"]

    run(story)
