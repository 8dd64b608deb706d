"""The same sockets on the simulated engine, as the demo uses them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from apps.containers.models import Container
from apps.drivers.base import CreateRequest, Endpoint
from apps.drivers.registry import discard_driver
from apps.drivers.simulated.engine import SimulatedDriver, reset_engines, simulated_engine
from tests.realtime.websocket_client import (
    WebSocketClient,
    becomes_true,
    run_async,
    session_headers,
    threads_named,
)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def sim(container: Container) -> Iterator[SimulatedDriver]:
    found = simulated_engine("h1")
    found.tick = 0.05
    name = found.create(CreateRequest("web", {"Image": "bb:local"}))
    found.start(name)
    Container.all_objects.filter(pk=container.pk).update(external_id=name)
    container.refresh_from_db()
    yield found
    reset_engines()
    discard_driver(Endpoint("sim://h1"))


def test_logs_follow_what_the_container_says_until_it_stops(
    people: Any, container: Container, sim: SimulatedDriver
) -> None:
    headers = session_headers(people.rita)
    sim.write_log(container.external_id, "before")

    async def scenario() -> None:
        async with WebSocketClient(f"/ws/logs?container={container.pk}", headers) as websocket_client:
            assert (await websocket_client.json("lines"))["lines"][-1][2] == "before"
            sim.write_log(container.external_id, "after", "stderr")
            (log_entry,) = (await websocket_client.json("lines"))["lines"]
            assert (log_entry[0], log_entry[2]) == ("stderr", "after")
            sim.crash(container.external_id, 9)
            assert (await websocket_client.json("end"))["reason"] == "The container stopped (exit code 9)."

    run_async(scenario)


def test_a_shell_answers_and_exits(people: Any, container: Container, sim: SimulatedDriver) -> None:
    headers = session_headers(people.bob)

    async def scenario() -> None:
        async with WebSocketClient(f"/ws/shell?container={container.pk}&command=/bin/sh", headers) as websocket_client:
            await websocket_client.send(b"echo hello\n")
            seen = b""
            while b"hello\r\n" not in seen.partition(b"\r\n")[2]:
                seen += (await websocket_client.frame())["bytes"]
            await websocket_client.send(b"exit 4\n")
            while "bytes" in (frame := await websocket_client.frame()):
                pass
            assert frame["text"] == '{"type": "end", "code": 4}'

    run_async(scenario)


def test_statistics_come_until_the_engine_goes_down(people: Any, container: Container, sim: SimulatedDriver) -> None:
    headers = session_headers(people.rita)

    async def scenario() -> None:
        async with WebSocketClient(f"/ws/stats?container={container.pk}", headers) as websocket_client:
            await websocket_client.json("points")
            (point,) = (await websocket_client.json("points"))["points"][:1]
            assert point["memory"] > 0
            sim.down = True
            assert "switched off" in (await websocket_client.json("end"))["reason"]

    run_async(scenario)
    assert becomes_true(lambda: not threads_named("stats-"))


def test_a_switched_off_engine_is_the_reason(people: Any, container: Container, sim: SimulatedDriver) -> None:
    headers = session_headers(people.bob)
    sim.down = True

    async def scenario() -> None:
        for path in ("logs", "shell", "stats"):
            async with WebSocketClient(f"/ws/{path}?container={container.pk}", headers) as websocket_client:
                assert "switched off" in (await websocket_client.json("end"))["reason"]

    run_async(scenario)
