"""Statistics: one engine stream for all viewers, closed with the last of them."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

import pytest

from apps.containers.models import Container
from apps.drivers.base import EngineDown, StatsSample
from apps.environments.services import ticket_issue
from apps.hosts.stats.live import FeedEnd, point_between, watch_container
from apps.realtime import v1_stats
from tests.realtime.scripted_engine import ScriptedEngine, stats_sample
from tests.realtime.websocket_client import (
    WebSocketClient,
    becomes_true,
    run_async,
    session_headers,
    threads_named,
)

database = pytest.mark.django_db(transaction=True)


def test_a_point_is_what_happened_in_a_second() -> None:
    before = StatsSample(10.0, 4 * 10**9, 4, 100, 200, 1000, 50, 7, 0)
    now = StatsSample(12.0, 6 * 10**9, 4, 120, 200, 3000, 40, 7, 9)
    assert point_between(before, now) == {
        "at": 12.0,
        "cpu": 25.0,
        "memory": 120.0,
        "memory_limit": 200.0,
        "net_rx": 1000.0,
        "net_tx": 0.0,
        "disk_read": 0.0,
        "disk_write": 4.5,
    }


def test_two_viewers_share_one_stream_and_the_late_one_gets_what_was_there() -> None:
    engine = ScriptedEngine()
    first: list[Any] = []
    second: list[Any] = []
    one = watch_container(1, engine, "c", first.append)  # type: ignore[arg-type]
    assert becomes_true(lambda: bool(engine.stats_streams))
    engine.stats_streams[0].feed(stats_sample(1), stats_sample(2))
    assert becomes_true(lambda: len(first) == 2)
    two = watch_container(1, engine, "c", second.append)  # type: ignore[arg-type]
    assert two.recent == first
    one.close()
    engine.stats_streams[0].feed(stats_sample(3))
    assert becomes_true(lambda: second == [stats_sample(3)])
    assert len(engine.stats_streams) == 1
    assert not engine.stats_streams[0].closed.is_set()
    two.close()
    assert becomes_true(engine.stats_streams[0].closed.is_set)
    assert becomes_true(lambda: not threads_named("stats-"))
    assert first == [stats_sample(1), stats_sample(2)]


def test_after_the_end_the_next_viewer_opens_a_new_stream() -> None:
    engine = ScriptedEngine()
    items_received: list[Any] = []
    watch_container(1, engine, "c", items_received.append)  # type: ignore[arg-type]
    assert becomes_true(lambda: bool(engine.stats_streams))
    engine.stats_streams[0].finish(EngineDown("h1 does not answer"))
    assert becomes_true(lambda: items_received == [FeedEnd("h1 does not answer")])
    third_watch = watch_container(1, engine, "c", items_received.append)  # type: ignore[arg-type]
    assert becomes_true(lambda: len(engine.stats_streams) == 2)
    third_watch.close()
    assert becomes_true(lambda: not threads_named("stats-"))


def test_a_viewer_that_leaves_before_the_engine_answers_leaves_nothing_open() -> None:
    engine = ScriptedEngine()
    may = threading.Event()
    opened = engine.stats

    def slow(container_id: str) -> Any:
        may.wait(30)
        return opened(container_id)

    engine.stats = slow  # type: ignore[method-assign]
    watch_container(1, engine, "c", lambda _item: None).close()  # type: ignore[arg-type]
    may.set()
    assert becomes_true(lambda: not threads_named("stats-"))
    assert engine.stats_streams[0].closed.is_set()


@database
@pytest.mark.parametrize("what", ["container={0.pk}", "host={0.host_id}"])
def test_points_arrive_after_a_back_fill(people: Any, container: Container, engine: ScriptedEngine, what: str) -> None:
    headers = session_headers(people.rita)
    path = f"/ws/stats?{what.format(container)}"

    async def scenario() -> None:
        async with WebSocketClient(path, headers) as websocket_client:
            assert await websocket_client.json() == {"type": "points", "points": []}
            engine.stats_streams[0].feed(*[stats_sample(n) for n in range(3)])
            got: list[Any] = []
            while len(got) < 2:
                got += (await websocket_client.json("points"))["points"]
            assert [point["at"] for point in got] == [1001.0, 1002.0]
            assert got[0]["cpu"] == 50.0
            async with WebSocketClient(path, headers) as late:
                assert (await late.json())["points"] == got
            engine.stats_streams[0].feed(stats_sample(3))
            assert [point["at"] for point in (await websocket_client.json("points"))["points"]] == [1003.0]

    run_async(scenario)
    assert len(engine.stats_streams) == 1
    assert becomes_true(engine.stats_streams[0].closed.is_set)
    assert becomes_true(lambda: not threads_named("stats-"))


@database
@pytest.mark.parametrize("when", ["before", "later"])
def test_a_host_that_is_down_is_the_reason(
    people: Any, container: Container, engine: ScriptedEngine, when: str
) -> None:
    headers = session_headers(people.rita)
    down = EngineDown("h1 does not answer")
    engine.error = down if when == "before" else None

    async def scenario() -> None:
        async with WebSocketClient(f"/ws/stats?container={container.pk}", headers) as websocket_client:
            await websocket_client.json("points")
            if when == "later":
                await asyncio.to_thread(becomes_true, lambda: bool(engine.stats_streams))
                engine.stats_streams[0].finish(down)
            assert await websocket_client.json() == {"type": "end", "reason": "h1 does not answer"}
            assert await websocket_client.code() == 1000

    run_async(scenario)


@database
@pytest.mark.parametrize(
    ("path", "kind", "ids"),
    [
        ("/v1/containerstats/c0ffee", "container", ["1i"]),
        ("/v1/hoststats", "host", ["1h"]),
        ("/v1/containerstats", "host", ["1i"]),
        ("/v1/hoststats/project/", "environment", ["1h"]),
        ("/v1/stats", "container", ["1i"]),
    ],
)
def test_v1_clients_get_arrays_of_cumulative_samples(
    container: Container, engine: ScriptedEngine, actor_of: Any, monkeypatch: Any, path: str, kind: str, ids: list[str]
) -> None:
    monkeypatch.setattr(v1_stats, "_INTERVAL", 0.05)
    target = {"container": container.pk, "host": container.host_id, "environment": container.environment_id}[kind]
    token = ticket_issue(
        actor=actor_of("rita"), environment_id=container.environment_id, verb="stats", kind=kind, target=target or 0
    )

    async def scenario() -> None:
        async with WebSocketClient(f"{path}?token={token}", {}) as websocket_client:
            assert await asyncio.to_thread(becomes_true, lambda: bool(engine.stats_streams))
            engine.stats_streams[0].feed(stats_sample(5))
            (seen,) = json.loads((await websocket_client.frame())["text"])
            assert [seen["id"][:2]] == ids
            assert seen["timestamp"] == "1970-01-01T00:16:45Z"
            assert seen["cpu"]["usage"]["total"] == 5 * 10**9
            assert len(seen["cpu"]["usage"]["per_cpu_usage"]) == 2
            assert (seen["memory"]["usage"], seen["memLimit"]) == (64, 256)
            assert seen["network"]["interfaces"][0]["rx_bytes"] == 500
            engine.stats_streams[0].finish()
            assert await websocket_client.code() == 1000

    run_async(scenario)


@database
def test_v1_statistics_need_a_ticket(people: Any, container: Container, engine: ScriptedEngine) -> None:
    headers = session_headers(people.alice)

    async def scenario() -> None:
        async with WebSocketClient(f"/v1/containerstats?container={container.pk}", headers) as websocket_client:
            assert await websocket_client.code() == 4404

    run_async(scenario)
