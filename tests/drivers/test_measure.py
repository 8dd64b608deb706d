"""One sample of everything: out of an agent's answer, or container by container."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import pytest

from apps.drivers.base import (
    CreateRequest,
    EngineDown,
    EngineInfo,
    EngineNotFound,
    StatsSample,
)
from apps.drivers.docker.measurement import (
    MAX_THREADS,
    first_sample,
    measure_each,
    parse_agent_stats,
    sum_measurement,
)
from apps.drivers.simulated.engine import SimulatedDriver

COUNTERS = {
    "at": 5.5, "cpu_ns": 7, "cpus": 2, "memory": 10, "memory_limit": 20, "net_rx": 1, "net_tx": 2, "disk_read": 3,
    "disk_write": 4,
}  # fmt: skip
ENGINE = {
    "read": "2026-01-31T12:00:00.5Z",
    "cpu_stats": {"cpu_usage": {"total_usage": 9}, "system_cpu_usage": 100, "online_cpus": 2},
    "memory_stats": {"usage": 50, "limit": 100},
}
INFO = EngineInfo("id", "lab", "20.10", "1.41", "Linux", "6.1", "x86_64", 4, 1 << 30, "overlay2")


def test_an_agents_answer_is_read() -> None:
    found = parse_agent_stats({"abc": {**COUNTERS, "pids": 3}})
    assert found == {"abc": StatsSample(5.5, 7, 2, 10, 20, 1, 2, 3, 4, 3)}


@pytest.mark.parametrize(
    "answer_body", [None, [], "x", {"abc": {}}, {"abc": {**COUNTERS, "cpu_ns": "many"}}, {"abc": None}]
)
def test_an_answer_that_lacks_something_is_left_out(answer_body: Any) -> None:
    assert parse_agent_stats(answer_body) == {}


def test_each_container_is_asked_once() -> None:
    requested: list[str] = []

    def ask(key: str) -> bytes:
        requested.append(key)
        return json.dumps(ENGINE).encode()

    found = measure_each(["a", "b"], ask)
    assert sorted(requested) == ["a", "b"]
    assert {key: (each.cpu_ns, each.memory, each.cpus) for key, each in found.items()} == {
        "a": (9, 50, 2),
        "b": (9, 50, 2),
    }


def test_those_that_ended_or_failed_are_left_out() -> None:
    answers: dict[str, Any] = {
        "ended": json.dumps({"read": "0001-01-01T00:00:00Z"}).encode(),
        "gone": EngineNotFound("no such container"),
        "cut": EngineDown("cut"),
        "broken": b"{",
        "odd": b"[]",
        "well": json.dumps(ENGINE).encode(),
    }

    def ask(key: str) -> bytes:
        if isinstance(answers[key], Exception):
            raise answers[key]
        return bytes(answers[key])

    assert list(measure_each(answers, ask)) == ["well"]


def test_nobody_to_ask_takes_no_thread() -> None:
    before = threading.active_count()
    assert measure_each([], lambda _key: b"") == {}
    assert threading.active_count() == before


def test_only_a_few_are_asked_at_a_time() -> None:
    now, most, lock = 0, 0, threading.Lock()

    def ask(_key: str) -> bytes:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.002)
        with lock:
            now -= 1
        return b"[]"

    measure_each([str(key) for key in range(20)], ask)
    assert 1 <= most <= MAX_THREADS


def test_a_machine_that_nobody_counts_is_its_containers_together() -> None:
    one = StatsSample(1.0, 10, 2, 100, 200, 1, 2, 3, 4)
    found = sum_measurement({"a": one, "b": one}, INFO)
    assert found.machine is not None
    assert (found.machine.cpu_ns, found.machine.memory, found.machine.memory_limit, found.machine.cpus) == (
        20,
        200,
        1 << 30,
        4,
    )


def test_the_first_of_a_stream_closes_it(sim: SimulatedDriver) -> None:
    stream = sim.host_stats()
    assert first_sample(stream) is not None
    assert list(stream) == []


def test_a_simulated_engine_measures_what_runs(sim: SimulatedDriver) -> None:
    up, off = (sim.create(CreateRequest(name, {"Image": "bb:local"})) for name in ("up", "off"))
    sim.start(up)
    found = sim.measure()
    assert (list(found.containers), found.machine is not None, off in found.containers) == ([up], True, False)
    sim.down = True
    with pytest.raises(EngineDown):
        sim.measure()
