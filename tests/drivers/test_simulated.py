"""The engine in memory has knobs that no real one has, and is quick with thousands of containers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from apps.drivers.base import (
    CreateRequest,
    EngineConflict,
    EngineDown,
    EngineError,
    EngineNotFound,
)
from apps.drivers.simulated.engine import SimulatedDriver
from tests.drivers.conformance import wait_until


@pytest.fixture
def engine() -> SimulatedDriver:
    made = SimulatedDriver("knobs")
    made.tick = 0.02
    return made


def run(engine: SimulatedDriver, name: str = "web", image: str = "sim/app:1", **body: Any) -> str:
    made = engine.create(CreateRequest(name, {"Image": image, **body}))
    engine.start(made)
    return made


def actions(engine: SimulatedDriver) -> list[str]:
    stream = engine.events(since=0)
    stream.close()
    return [event.action for event in stream]


def test_the_next_call_fails_as_configured_and_the_one_after_does_not(engine: SimulatedDriver) -> None:
    engine.fail_next("create", EngineError("the disk is full"), times=2)
    for _ in range(2):
        with pytest.raises(EngineError, match="the disk is full"):
            run(engine)
    run(engine)
    assert engine.calls["create"] == 3


def test_an_outage_ends_every_stream_and_nothing_else(engine: SimulatedDriver) -> None:
    made = run(engine)
    streams = [engine.events(), engine.logs(made), engine.stats(made), engine.host_stats()]
    session = engine.exec(made, ["cat"])
    readers = [threading.Thread(target=list, args=(stream,), daemon=True) for stream in streams]
    readers.append(threading.Thread(target=session.read, daemon=True))
    for reader in readers:
        reader.start()
    engine.down = True
    for reader in readers:
        reader.join(5)
        assert not reader.is_alive()
    with pytest.raises(EngineDown):
        engine.containers()
    engine.down = False
    assert engine.inspect(made).state == "running"


def test_a_delay_is_taken_by_every_call(engine: SimulatedDriver) -> None:
    engine.delay = 0.05
    begun = time.monotonic()
    engine.ping()
    assert time.monotonic() - begun >= 0.05


@pytest.mark.parametrize(
    ("policy", "code", "state"),
    [("no", 1, "exited"), ("on-failure", 0, "exited"), ("on-failure", 1, "running"), ("always", 0, "running")],
)
def test_a_crash_meets_the_restart_policy(engine: SimulatedDriver, policy: str, code: int, state: str) -> None:
    made = run(engine, HostConfig={"RestartPolicy": {"Name": policy}})
    engine.crash(made, code)
    seen = engine.inspect(made)
    assert seen.state == state
    assert seen.raw["RestartCount"] == (state == "running")


def test_retries_after_failures_have_an_end(engine: SimulatedDriver) -> None:
    made = run(engine, HostConfig={"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 2}})
    for expected in ("running", "running", "exited"):
        engine.crash(made)
        assert engine.inspect(made).state == expected


def test_what_ends_at_once_keeps_restarting_until_it_is_stopped(engine: SimulatedDriver) -> None:
    made = run(engine, Cmd=["false"], HostConfig={"RestartPolicy": {"Name": "always"}})
    assert engine.inspect(made).state == "restarting"
    engine.stop(made)
    assert engine.inspect(made).state == "exited"


def test_memory_can_run_out(engine: SimulatedDriver) -> None:
    made = run(engine)
    engine.crash(made, 137, oom=True)
    assert engine.inspect(made).oom_killed
    assert actions(engine)[-2:] == ["oom", "die"]


def test_health_is_as_configured(engine: SimulatedDriver) -> None:
    made = run(engine, Healthcheck={"Test": ["CMD", "true"]})
    assert engine.inspect(made).health == "healthy"
    engine.health(made, "unhealthy")
    assert engine.inspect(made).health == "unhealthy"
    assert actions(engine)[-1] == "health_status: unhealthy"


def test_a_paused_container_goes_on(engine: SimulatedDriver) -> None:
    made = run(engine)
    engine.pause(made)
    assert engine.inspect(made).state == "paused"
    with pytest.raises(EngineConflict, match="paused"):
        engine.start(made)
    engine.pause(made, paused=False)
    assert engine.inspect(made).state == "running"


def test_a_container_may_remove_itself(engine: SimulatedDriver) -> None:
    made = run(engine, HostConfig={"AutoRemove": True})
    engine.stop(made)
    with pytest.raises(EngineNotFound):
        engine.inspect(made)


def test_an_init_process_passes_the_signal_on(engine: SimulatedDriver) -> None:
    made = run(engine, HostConfig={"Init": True})
    engine.stop(made)
    assert engine.inspect(made).exit_code == 143


def test_a_harmless_signal_kills_nobody(engine: SimulatedDriver) -> None:
    made = run(engine)
    engine.kill(made, "SIGUSR2")
    assert engine.inspect(made).state == "running"
    engine.kill(made, "SIGTERM")
    assert engine.inspect(made).exit_code == 143


def test_an_image_is_there_after_it_was_pulled(engine: SimulatedDriver) -> None:
    engine.registry.add("redis:7")
    assert engine.find_image("redis:7") is None
    assert [progress.percent for progress in engine.pull("redis:7")] == [0, 40, 70, 100]
    run(engine, image="redis:7")
    engine.remove("web")
    engine.remove_image("redis:7")
    with pytest.raises(EngineNotFound):
        list(engine.pull("redis:8"))


def test_an_address_on_another_interface_does_not_clash(engine: SimulatedDriver) -> None:
    def publish(address: str) -> dict[str, Any]:
        return {"HostConfig": {"PortBindings": {"80/tcp": [{"HostIp": address, "HostPort": "80"}]}}}

    run(engine, "one", **publish("10.0.0.1"))
    run(engine, "two", **publish("10.0.0.2"))
    with pytest.raises(EngineConflict, match="already allocated"):
        run(engine, "three", **publish(""))
    assert engine.inspect("three").state == "created"


def test_a_container_without_a_place_takes_no_address(engine: SimulatedDriver) -> None:
    engine.ensure_network("lab", {})
    for number in range(3):
        with pytest.raises(EngineConflict):
            run(
                engine,
                f"no{number}",
                HostConfig={"NetworkMode": "lab", "PortBindings": {"80/tcp": [{"HostPort": "80"}, {"HostPort": "80"}]}},
            )
    engine.remove_network("lab")


def test_a_container_fails_as_its_label_says(engine: SimulatedDriver) -> None:
    made = run(engine, Labels={"io.corral.sim.fail": "oom:0.02"})
    wait_until(lambda: engine.inspect(made).state == "exited")
    assert (engine.inspect(made).exit_code, engine.inspect(made).oom_killed) == (137, True)
    with pytest.raises(EngineError, match="told to fail") as refusal:
        run(engine, "other", Labels={"io.corral.sim.fail": "create"})
    assert refusal.value.retry


def test_snapshots_are_read_past_an_outage_and_do_not_count(engine: SimulatedDriver) -> None:
    made = run(engine)
    calls = sum(engine.calls.values())
    engine.down = True
    assert [(seen.id, seen.state) for seen in engine.snapshots()] == [(made, "running")]
    assert sum(engine.calls.values()) == calls


def test_what_is_listed_is_what_there_is_now(engine: SimulatedDriver) -> None:
    """Listed and inspected containers are kept between calls: every change must be seen in both."""
    made = run(engine, Healthcheck={"Test": ["CMD", "true"]})
    changes: list[Callable[[], None]] = [
        lambda: engine.health(made, "unhealthy"),
        lambda: engine.rename(made, "other"),
        lambda: engine.pause(made),
        lambda: engine.pause(made, paused=False),
        lambda: engine.crash(made),
        lambda: engine.start(made),
        lambda: engine.stop(made),
    ]
    seen = set()
    for change in changes:
        change()
        (row,), full = engine.containers(), engine.inspect(made)
        assert (row.name, row.state, row.health) == (full.name, full.state, full.health)
        assert engine.inspect(made) is full
        seen.add((row.name, row.state, row.health))
    assert len(seen) == 5


def test_the_last_words_of_a_process_reach_who_follows(engine: SimulatedDriver) -> None:
    made = run(engine, HostConfig={"RestartPolicy": {"Name": "always"}})
    stream = engine.logs(made)
    engine.write_log(made, "goodbye", "stderr")
    engine.crash(made)
    assert engine.inspect(made).state == "running"
    assert [(line.stream, line.text) for line in stream] == [("stderr", "goodbye")]


def test_the_log_keeps_its_place_when_old_lines_go(engine: SimulatedDriver) -> None:
    made = run(engine)
    for number in range(10_050):
        engine.write_log(made, str(number))
    lines = iter(engine.logs(made, tail=2))
    assert [next(lines).text for _ in range(2)] == ["10048", "10049"]
    engine.write_log(made, "on and on")
    assert next(lines).text == "on and on"


def test_ten_thousand_containers_are_listed_quickly(engine: SimulatedDriver) -> None:
    for number in range(10_000):
        run(engine, f"box{number}", Labels={"number": str(number)})
    engine.containers()
    begun = time.monotonic()
    assert len(engine.containers()) == 10_000
    found = engine.find("number", "9999")
    assert found is not None
    assert found.name == "box9999"
    assert time.monotonic() - begun < 0.2
