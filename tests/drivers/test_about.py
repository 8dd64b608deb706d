"""Describing a host takes as few calls as possible, and the engine is asked for what its agent does not report."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from apps.drivers import dialing
from apps.drivers.base import Endpoint, EngineError
from apps.drivers.dialing import Secure
from apps.drivers.docker.engine import DockerDriver
from apps.drivers.simulated.engine import SimulatedDriver
from tests.drivers.stub_engine import StubEngine

MACHINE = "/corral/v1/machine"
FACTS = {"cpuInfo": {"modelName": "Xeon"}, "memoryInfo": {"memFree": 7}}


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[StubEngine]:
    made = StubEngine(tmp_path / "paper.sock")
    yield made
    made.stop()


@pytest.fixture
def agents(engine: StubEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DockerDriver]:
    """The engine behind an agent."""

    def dial(_: Endpoint, _secure: Secure) -> socket.socket:
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(str(tmp_path / "paper.sock"))
        return sock

    monkeypatch.setitem(dialing.dialers, "agent", dial)
    driver = DockerDriver(Endpoint("agent://h1"))
    yield driver
    driver.close()


def probe_in_thread(driver: DockerDriver) -> tuple[str, Any]:
    info, machine = driver.describe_host()
    assert driver.containers() == []
    return info.engine_id, machine


def test_a_probe_through_a_tunnel_is_two_calls(engine: StubEngine, agents: DockerDriver) -> None:
    engine.answers[MACHINE] = {**FACTS, "engine": engine.answers["/info"]}
    assert probe_in_thread(agents) == ("PAPER", FACTS)
    assert engine.requests == ["/version", MACHINE, "/containers/json"], "the version once for each connection"
    engine.requests.clear()
    assert probe_in_thread(agents) == ("PAPER", FACTS)
    assert engine.requests == [MACHINE, "/containers/json"]


def test_what_is_reported_is_what_the_engine_says_itself(engine: StubEngine, agents: DockerDriver) -> None:
    engine.answers[MACHINE] = {**FACTS, "engine": engine.answers["/info"]}
    assert agents.describe_host()[0] == agents.info()


def test_nothing_is_remembered(engine: StubEngine, agents: DockerDriver) -> None:
    for key in ("ONE", "OTHER"):
        engine.answers[MACHINE] = {"engine": {**engine.answers["/info"], "ID": key}}
        assert probe_in_thread(agents) == (key, {})


@pytest.mark.parametrize(
    ("machine_answer", "facts"),
    [
        (FACTS, FACTS),
        ({**FACTS, "engine": {}}, FACTS),
        ({**FACTS, "engine": None}, FACTS),
        ({**FACTS, "engine": "x"}, FACTS),
        ({**FACTS, "engine": {"Name": "no id"}}, FACTS),
        ([], {}),
        (None, {}),
        ("text", {}),
    ],
)
def test_an_engine_that_its_agent_does_not_report_is_asked(
    engine: StubEngine, agents: DockerDriver, machine_answer: Any, facts: Any
) -> None:
    engine.answers[MACHINE] = machine_answer
    assert probe_in_thread(agents) == ("PAPER", facts)
    assert engine.requests[-3:] == [MACHINE, "/info", "/containers/json"]


def test_an_agent_that_knows_no_machines_is_no_hindrance(engine: StubEngine, agents: DockerDriver) -> None:
    assert probe_in_thread(agents) == ("PAPER", {})


def test_an_engine_that_is_away_is_away_though_its_agent_answers(engine: StubEngine, agents: DockerDriver) -> None:
    engine.answers[MACHINE] = {**FACTS, "engine": {}}
    del engine.answers["/info"]
    with pytest.raises(EngineError, match="page not found: /info"):
        agents.describe_host()


def test_an_engine_without_an_agent_is_asked_for_no_machine(engine: StubEngine, tmp_path: Path) -> None:
    driver = DockerDriver(Endpoint(f"unix://{tmp_path}/paper.sock"))
    assert probe_in_thread(driver) == ("PAPER", {})
    assert engine.requests == ["/version", "/info", "/containers/json"]
    driver.close()


def test_the_simulated_engine_has_no_agent_either(sim: SimulatedDriver) -> None:
    assert sim.describe_host() == (sim.info(), {})
