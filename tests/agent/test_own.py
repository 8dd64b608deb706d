"""What the agent answers for itself."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from corral_agent import own as own_module
from corral_agent.counters import Sample
from corral_agent.door.relay import Door
from corral_agent.journal import Journal
from corral_agent.own import Own
from corral_agent.sim.engine import SimEngine
from corral_agent.watch import Watch

Ask = Callable[[str], Awaitable[tuple[int, Any]]]
Scene = Callable[[SimEngine, Journal, Ask], Awaitable[None]]


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Scene], None]:
    """Runs a scene with an agent's own answers at hand."""
    monkeypatch.setattr(own_module, "_EVERY", 0.01)

    def run(scene: Scene) -> None:
        async def main() -> None:
            engine, journal = SimEngine("s1", "SIM:1"), Journal(tmp_path)
            watch = Watch(engine, journal)
            watch.up = True
            door = Door(engine.open, Own(engine, journal, watch, name="s1", read_only=True))
            path = str(tmp_path / "own.sock")
            server = await asyncio.start_unix_server(door.serve, path)

            async def ask(target: str) -> tuple[int, Any]:
                reader, writer = await asyncio.open_unix_connection(path)
                writer.write(f"GET /corral/v1/{target} HTTP/1.0\r\n\r\n".encode())
                head, _, body = (await reader.read()).partition(b"\r\n\r\n")
                writer.close()
                return int(head.split()[1]), json.loads(body)

            await scene(engine, journal, ask)
            server.close()

        asyncio.run(main())

    return run


def test_hello_says_who_is_there(asked: Callable[[Scene], None]):
    async def scene(engine: SimEngine, journal: Journal, ask: Ask) -> None:
        journal.add("agent", "started")
        status, found = await ask("hello")
        assert status == 200
        clock = found.pop("clock")
        assert clock > 1_700_000_000
        assert found == {
            "agent": "0.1.0",
            "hostname": "s1",
            "engine": True,
            "simulated": True,
            "journal": {"first": 1, "last": 1},
            "readOnly": True,
        }

    asked(scene)


def test_the_journal_is_read_in_pieces(asked: Callable[[Scene], None]):
    async def scene(engine: SimEngine, journal: Journal, ask: Ask) -> None:
        for _ in range(5):
            journal.add("container", "start")
        _, found = await ask("journal?after=1&limit=2")
        assert ([line["seq"] for line in found["events"]], found["first"], found["last"]) == ([2, 3], 1, 5)
        _, found = await ask("journal")
        assert len(found["events"]) == 5
        _, found = await ask("journal?after=5")
        assert found["events"] == []
        _, found = await ask("journal?limit=0")
        assert len(found["events"]) == 1

    asked(scene)


@pytest.mark.parametrize("target", ["journal?after=x", "journal?limit=1.5", "journal?after=1&after=y"])
def test_a_number_that_is_none_is_refused(asked: Callable[[Scene], None], target: str):
    async def scene(engine: SimEngine, journal: Journal, ask: Ask) -> None:
        assert await ask(target) == (400, {"message": "after and limit are numbers."})

    asked(scene)


@pytest.mark.parametrize("target", ["", "nothing", "hello/x", "stats/x"])
def test_a_path_that_is_none_is_not_found(asked: Callable[[Scene], None], target: str):
    async def scene(engine: SimEngine, journal: Journal, ask: Ask) -> None:
        status, found = await ask(target)
        assert status in {400, 404}
        assert found["message"]

    asked(scene)


def test_counters_of_containers_and_machine_come_together(asked: Callable[[Scene], None]):
    async def scene(engine: SimEngine, journal: Journal, ask: Ask) -> None:
        running, still = (engine.boxes.make(name, {"Image": "sim:a"}) for name in ("on", "off"))
        engine.boxes.start(running)
        _, found = await ask("containers/stats")
        assert set(found) == {running.id}
        assert set(found[running.id]) == set(Sample.__dataclass_fields__)
        assert still.id not in found
        _, found = await ask("containers/stats?machine=1")
        assert set(found) == {running.id, "machine"}
        assert set(found["machine"]) == set(Sample.__dataclass_fields__) - {"pids"}
        assert found["machine"]["memory"] > found[running.id]["memory"]
        _, machine = await ask("machine")
        assert set(machine) == {"osInfo", "cpuInfo", "memoryInfo", "diskInfo"}
        assert machine["osInfo"]["hostname"] == "s1"
        _, more = await ask("machine?engine=1")
        assert set(more) == {*machine, "engine"}
        assert (more["engine"]["ID"], more["engine"]["Name"]) == ("SIM:1", "s1")
        engine.down = True
        _, machine = await ask("machine?engine=1")
        assert (machine["cpuInfo"]["count"], machine["engine"]) == (4, {})

    asked(scene)


def test_counters_that_cannot_be_read_are_told(asked: Callable[[Scene], None], monkeypatch: pytest.MonkeyPatch):
    def broken(_: SimEngine) -> dict[str, Sample]:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(SimEngine, "containers", broken)

    async def scene(engine: SimEngine, journal: Journal, ask: Ask) -> None:
        status, found = await ask("containers/stats")
        assert status == 500
        assert "Permission denied" in found["message"]

    asked(scene)


def test_the_machines_counters_stream_until_nobody_listens(asked: Callable[[Scene], None], tmp_path: Path):
    async def scene(engine: SimEngine, journal: Journal, ask: Ask) -> None:
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

    asked(scene)
