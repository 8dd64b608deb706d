"""The agent's own API."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from corral_agent import VERSION
from corral_agent import agent_api as own_module
from corral_agent.agent_api import AgentApi
from corral_agent.counters import Sample
from corral_agent.documents import HostDocuments
from corral_agent.engine_proxy.proxy import EngineProxy
from corral_agent.event_watcher import EventWatcher
from corral_agent.journal import Journal
from corral_agent.simulated.engine import SimulatedEngine
from health_checks.runner import CheckRunner

Request = Callable[[str], Awaitable[tuple[int, Any]]]
Scenario = Callable[[SimulatedEngine, Journal, Request], Awaitable[None]]


@pytest.fixture
def run_scenario(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Scenario], None]:
    """Runs a scenario with an agent's own API."""
    monkeypatch.setattr(own_module, "_SAMPLE_INTERVAL", 0.01)

    def run(scenario: Scenario) -> None:
        async def main() -> None:
            engine, journal = SimulatedEngine("s1", "SIM:1"), Journal(tmp_path)
            watch = EventWatcher(engine, journal)
            watch.engine_up = True
            documents = HostDocuments(tmp_path, {})
            api = AgentApi(engine, journal, watch, CheckRunner(), documents, name="s1", read_only=True)
            engine_proxy = EngineProxy(engine.open, api)
            path = str(tmp_path / "own.sock")
            server = await asyncio.start_unix_server(engine_proxy.serve, path)

            async def request(target: str) -> tuple[int, Any]:
                reader, writer = await asyncio.open_unix_connection(path)
                writer.write(f"GET /corral/v1/{target} HTTP/1.0\r\n\r\n".encode())
                head, _, body = (await reader.read()).partition(b"\r\n\r\n")
                writer.close()
                return int(head.split()[1]), json.loads(body)

            await scenario(engine, journal, request)
            server.close()

        asyncio.run(main())

    return run


def test_hello_says_who_is_there(run_scenario: Callable[[Scenario], None]):
    async def scenario(engine: SimulatedEngine, journal: Journal, request: Request) -> None:
        journal.add("agent", "started")
        status, found = await request("hello")
        assert status == 200
        clock = found.pop("clock")
        assert clock > 1_700_000_000
        assert found == {
            "agent": VERSION,
            "hostname": "s1",
            "engine": True,
            "simulated": True,
            "journal": {"first": 1, "last": 1},
            "readOnly": True,
            "checks": False,
            "checkCount": 0,
            "documents": [],
            "documentDigests": {},
        }

    run_scenario(scenario)


def test_the_journal_is_read_in_pieces(run_scenario: Callable[[Scenario], None]):
    async def scenario(engine: SimulatedEngine, journal: Journal, request: Request) -> None:
        for _ in range(5):
            journal.add("container", "start")
        _, found = await request("journal?after=1&limit=2")
        assert ([line["seq"] for line in found["events"]], found["first"], found["last"]) == ([2, 3], 1, 5)
        _, found = await request("journal")
        assert len(found["events"]) == 5
        _, found = await request("journal?after=5")
        assert found["events"] == []
        _, found = await request("journal?limit=0")
        assert len(found["events"]) == 1

    run_scenario(scenario)


@pytest.mark.parametrize("target", ["journal?after=x", "journal?limit=1.5", "journal?after=1&after=y"])
def test_a_number_that_is_none_is_refused(run_scenario: Callable[[Scenario], None], target: str):
    async def scenario(engine: SimulatedEngine, journal: Journal, request: Request) -> None:
        assert await request(target) == (400, {"message": "after and limit must be numbers."})

    run_scenario(scenario)


@pytest.mark.parametrize("target", ["", "nothing", "hello/x", "stats/x"])
def test_a_path_that_is_none_is_not_found(run_scenario: Callable[[Scenario], None], target: str):
    async def scenario(engine: SimulatedEngine, journal: Journal, request: Request) -> None:
        status, found = await request(target)
        assert status in {400, 404}
        assert found["message"]

    run_scenario(scenario)


def test_counters_of_containers_and_machine_come_together(run_scenario: Callable[[Scenario], None]):
    async def scenario(engine: SimulatedEngine, journal: Journal, request: Request) -> None:
        running, still = (engine.containers.create(name, {"Image": "sim:a"}) for name in ("on", "off"))
        engine.containers.start(running)
        _, found = await request("containers/stats")
        assert set(found) == {running.id}
        assert set(found[running.id]) == set(Sample.__dataclass_fields__)
        assert still.id not in found
        _, found = await request("containers/stats?machine=1")
        assert set(found) == {running.id, "machine"}
        assert set(found["machine"]) == set(Sample.__dataclass_fields__) - {"pids"}
        assert found["machine"]["memory"] > found[running.id]["memory"]
        _, machine = await request("machine")
        assert set(machine) == {"osInfo", "cpuInfo", "memoryInfo", "diskInfo"}
        assert machine["osInfo"]["hostname"] == "s1"
        _, more = await request("machine?engine=1")
        assert set(more) == {*machine, "engine"}
        assert (more["engine"]["ID"], more["engine"]["Name"]) == ("SIM:1", "s1")
        engine.down = True
        _, machine = await request("machine?engine=1")
        assert (machine["cpuInfo"]["count"], machine["engine"]) == (4, {})

    run_scenario(scenario)


def test_counters_that_cannot_be_read_are_reported(
    run_scenario: Callable[[Scenario], None], monkeypatch: pytest.MonkeyPatch
):
    def broken(_: SimulatedEngine) -> dict[str, Sample]:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(SimulatedEngine, "sample_containers", broken)

    async def scenario(engine: SimulatedEngine, journal: Journal, request: Request) -> None:
        status, found = await request("containers/stats")
        assert status == 500
        assert "Permission denied" in found["message"]

    run_scenario(scenario)


def test_the_machines_counters_stream_until_nobody_listens(run_scenario: Callable[[Scenario], None], tmp_path: Path):
    async def scenario(engine: SimulatedEngine, journal: Journal, request: Request) -> None:
        reader, writer = await asyncio.open_unix_connection(str(tmp_path / "own.sock"))
        writer.write(b"GET /corral/v1/stats HTTP/1.1\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        samples = []
        for _ in range(3):
            size = int(await reader.readline(), 16)
            samples.append(json.loads(await reader.readexactly(size)))
            await reader.readexactly(2)
        assert samples[0]["at"] < samples[2]["at"]
        assert "pids" not in samples[0]
        assert set(samples[0]) == set(Sample.__dataclass_fields__) - {"pids"}
        writer.close()

    run_scenario(scenario)
