"""Every event of the engine is in the journal once, though connections break and the past is replayed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from corral_agent import event_watcher as watch_module
from corral_agent.engine import EngineUnreachable, LocalEngine, get_json
from corral_agent.event_watcher import EventWatcher
from corral_agent.journal import Journal
from corral_agent.simulated.engine import SimulatedEngine
from tests.agent.fake_engine import FakeEngine, reply

Scenario = Callable[[SimulatedEngine, Journal], Awaitable[None]]


@pytest.fixture
def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Scenario], None]:
    """Runs a scenario while an engine is watched."""
    monkeypatch.setattr(watch_module, "_RETRY_DELAY", 0.02)

    def run(scenario: Scenario) -> None:
        async def main() -> None:
            engine, journal = SimulatedEngine("s", "SIM:1"), Journal(tmp_path)
            watching = asyncio.ensure_future(EventWatcher(engine, journal).run())
            await until(lambda: actions(journal) == ["engine-up"])
            await scenario(engine, journal)
            watching.cancel()

        asyncio.run(main())

    return run


def actions(journal: Journal) -> list[str]:
    return [line["action"] for line in journal.after(0, 1000)]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110  # anything may make it true
            await asyncio.sleep(0.005)


def test_a_life_is_written_down(watched: Callable[[Scenario], None]):
    async def scenario(engine: SimulatedEngine, journal: Journal) -> None:
        box = engine.containers.create("web", {"Image": "sim:a", "Labels": {"team": "red"}})
        engine.containers.start(box)
        engine.containers.process_exited(box, 3)
        engine.containers.remove(box, force=True)
        await until(lambda: "destroy" in actions(journal))
        lines = journal.after(1, 100)
        assert [line["action"] for line in lines] == ["create", "start", "die", "destroy"]
        assert lines[2]["attributes"] == {"name": "web", "image": "sim:a", "team": "red", "exitCode": "3"}
        assert {line["id"] for line in lines} == {box.id}

    watched(scenario)


def test_an_engine_that_goes_and_comes_is_reported_and_nothing_of_its_past_twice(watched: Callable[[Scenario], None]):
    async def scenario(engine: SimulatedEngine, journal: Journal) -> None:
        engine.containers.create("one", {"Image": "sim:a"})
        await until(lambda: "create" in actions(journal))
        engine.down = True
        await until(lambda: "engine-down" in actions(journal))
        engine.containers.create("two", {"Image": "sim:a"})  # happened unseen
        engine.down = False
        await until(lambda: actions(journal).count("create") == 2)
        await asyncio.sleep(0.05)
        assert actions(journal) == ["engine-up", "create", "engine-down", "engine-up", "create"]

    watched(scenario)


def test_a_new_agent_goes_on_where_the_old_one_ended(tmp_path: Path):
    async def main() -> None:
        engine, journal = SimulatedEngine("s", "SIM:1"), Journal(tmp_path)
        for name in ("one", "two", "three"):
            watching = asyncio.ensure_future(EventWatcher(engine, journal).run())
            await until(lambda: actions(journal)[-1:] in (["engine-up"], ["create"]))
            count = actions(journal).count("create")
            engine.containers.create(name, {"Image": "sim:a"})
            await until(lambda count=count: actions(journal).count("create") == count + 1)  # type: ignore[misc]
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
        names = [line["attributes"].get("name") for line in journal.after(0, 100) if line["kind"] == "container"]
        assert names == ["one", "two", "three"]

    asyncio.run(main())


@pytest.mark.parametrize(
    "line", ["", "nonsense", "[]", "{}", '{"Type": 1}', '{"time": "x", "Type": "a", "Action": "b"}']
)
def test_a_line_that_is_no_event_is_skipped(tmp_path: Path, line: str):
    journal = Journal(tmp_path)
    watch = EventWatcher(SimulatedEngine("s", "SIM:1"), journal)
    watch._record_event(line.encode())
    watch._record_event(json.dumps({"Type": "container", "Action": "die", "time": 5, "id": "c1"}).encode())
    (condition,) = journal.after(0, 10)
    assert (condition["action"], condition["at"], condition["id"]) == ("die", 5.0, "c1")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (reply(b'{"message":"no"}', "500 Internal Server Error"), "HTTP status 500"),
        (b"nonsense\r\n\r\n", "not HTTP/1"),
        (b"", "not HTTP/1"),
        (reply(b"no json"), "not JSON"),
    ],
)
def test_a_question_that_the_engine_does_not_answer_says_why(tmp_path: Path, answer: bytes, words: str):
    async def main() -> None:
        async with FakeEngine(tmp_path) as engine:

            async def malformed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes) -> None:
                writer.write(answer)

            engine.respond = malformed
            with pytest.raises(EngineUnreachable, match=words):
                await get_json(LocalEngine(engine.path), "/version")

    asyncio.run(main())


def test_an_engine_that_is_not_there_says_so():
    with pytest.raises(EngineUnreachable, match="cannot be reached: No such file"):
        asyncio.run(get_json(LocalEngine("/nowhere/docker.sock"), "/info"))
