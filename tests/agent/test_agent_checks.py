"""The agent's health checks over its API: a document is put, and a stream of lines says what was found."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from corral_agent import agent_api as own_module
from corral_agent.agent_api import AgentApi
from corral_agent.engine_proxy.proxy import EngineProxy
from corral_agent.event_watcher import EventWatcher
from corral_agent.journal import Journal
from corral_agent.simulated.engine import SimulatedEngine

LABEL = "io.rancher.container.uuid"


class CheckingAgent:
    """An agent's API on a socket, before an engine in memory."""

    def __init__(self, folder: Path, *, read_only: bool = False) -> None:
        self.engine = SimulatedEngine("s1", "SIM:1")
        self.runner, journal = self.engine.check_runner(), Journal(folder)
        api = AgentApi(self.engine, journal, EventWatcher(self.engine, journal), self.runner, read_only=read_only)
        self.proxy = EngineProxy(self.engine.open, api, api.put, read_only=read_only)
        self.path = str(folder / "own.sock")
        self._writers: list[asyncio.StreamWriter] = []

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Serve on the socket; at the end nothing of it is left open."""
        serving = set[asyncio.Task[None]]()
        server = await asyncio.start_unix_server(
            lambda reader, writer: serving.add(asyncio.ensure_future(self.proxy.serve(reader, writer))), self.path
        )
        try:
            async with asyncio.timeout(60):
                yield
        finally:
            self.runner.close()
            server.close()
            for writer in self._writers:
                writer.close()
            for task in serving:
                task.cancel()
            await asyncio.gather(*serving, return_exceptions=True)
            for _ in range(3):  # transports close in the loop's next rounds
                await asyncio.sleep(0)

    def run_container(self, uuid: str) -> Any:
        """A container that runs, with the portal's label."""
        made = self.engine.containers.create(f"box-{uuid}", {"Image": "sim:a", "Labels": {LABEL: uuid}})
        self.engine.containers.start(made)
        return made

    async def _send(self, head: str, body: bytes = b"") -> asyncio.StreamReader:
        reader, writer = await asyncio.open_unix_connection(self.path)
        self._writers.append(writer)
        writer.write(f"{head}\r\n\r\n".encode() + body)
        return reader

    async def put(self, document: Any, path: str = "checks", method: str = "PUT", size: int = 0) -> tuple[int, Any]:
        body = json.dumps(document).encode()
        reader = await self._send(f"{method} /corral/v1/{path} HTTP/1.0\r\nContent-Length: {size or len(body)}", body)
        head, _, answer = (await reader.read()).partition(b"\r\n\r\n")
        return int(head.split()[1]), json.loads(answer)

    async def lines(self) -> AsyncIterator[dict[str, Any]]:
        async for line in await self._send("GET /corral/v1/checks HTTP/1.0"):
            if line.startswith(b"{"):
                yield json.loads(line)

    async def until(self, state: str, key: str = "a") -> None:
        async for found in self.lines():
            if found["states"].get(key, {}).get("state") == state:
                return


Scenario = Callable[[CheckingAgent], Awaitable[None]]


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    monkeypatch.setattr(own_module, "_CHECKS_BATCH", 0.01)

    def run(scenario: Scenario, **options: bool) -> None:
        async def main() -> None:
            agent = CheckingAgent(tmp_path, **options)
            async with agent.listening():
                await scenario(agent)

        asyncio.run(main())

    return run


def check(key: str, **fields: Any) -> dict[str, Any]:
    return {
        "id": key, "run": "1", "address": "10.0.0.2", "subnet": "", "port": 80, "interval": 100, "timeout": 100,
        "healthyThreshold": 1, "unhealthyThreshold": 1, "initializing": 60_000, **fields,
    }  # fmt: skip


def document(version: int, *checks: dict[str, Any]) -> dict[str, Any]:
    return {"version": version, "checks": list(checks)}


def test_what_changes_is_a_line_and_a_new_stream_begins_with_everything(play: Callable[..., None]):
    async def scenario(agent: CheckingAgent) -> None:
        box, _other = agent.run_container("a"), agent.run_container("b")
        assert await agent.put(document(7, check("a"), check("b"))) == (200, {"version": 7})
        await agent.until("healthy", "a")
        await agent.until("healthy", "b")
        stream = agent.lines()
        first = await anext(stream)
        assert first["version"] == 7
        assert {key: found["state"] for key, found in first["states"].items()} == {"a": "healthy", "b": "healthy"}
        box.health = "unhealthy"
        change = await anext(stream)
        assert change["states"] == {"a": {"state": "unhealthy", "reason": "HTTP status 500", "run": "1"}}
        again = await anext(agent.lines())
        assert {key: found["state"] for key, found in again["states"].items()} == {"a": "unhealthy", "b": "healthy"}

    play(scenario)


def test_checks_go_on_while_nobody_listens(play: Callable[..., None]):
    async def scenario(agent: CheckingAgent) -> None:
        box = agent.run_container("a")
        await agent.put(document(1, check("a")))
        await agent.until("healthy")
        box.health = "unhealthy"
        while agent.runner.states()["a"]["state"] != "unhealthy":
            await agent.runner.wait_for_change(agent.runner.number)
        found = await anext(agent.lines())
        assert found["states"]["a"]["state"] == "unhealthy"

    play(scenario)


def test_a_quiet_stream_shows_that_it_lives(play: Callable[..., None], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(own_module, "_CHECKS_QUIET", 0.01)

    async def scenario(agent: CheckingAgent) -> None:
        await agent.put(document(3))
        stream = agent.lines()
        assert [(await anext(stream)) for _ in range(3)] == [{"version": 3, "states": {}}] * 3

    play(scenario)


def test_many_states_are_several_lines(play: Callable[..., None], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(own_module, "_CHECKS_A_LINE", 10)

    async def scenario(agent: CheckingAgent) -> None:
        slow = [check(f"c{number}", interval=60_000) for number in range(25)]
        await agent.put(document(1, *slow))
        stream = agent.lines()
        assert [len((await anext(stream))["states"]) for _ in range(3)] == [10, 10, 5]

    play(scenario)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (document(2, check("a"), check("b", port=0)), "port must be a whole number from 1 to 65535"),
        ({"checks": []}, "version must be a whole number"),
        ({"version": 2, "checks": {}}, "a version and a list of checks"),
        ([], "not a JSON object"),
    ],
)
def test_a_bad_document_is_refused_and_the_one_before_stays(play: Callable[..., None], body: Any, message: str):
    async def scenario(agent: CheckingAgent) -> None:
        await agent.put(document(1, check("a")))
        status, answer = await agent.put(body)
        assert status == 400
        assert message in answer["message"]
        assert (agent.runner.version, list(agent.runner.states())) == (1, ["a"])

    play(scenario)


@pytest.mark.parametrize(("path", "method"), [("hello", "PUT"), ("checks", "POST"), ("checks", "DELETE")])
def test_nothing_else_takes_a_document(play: Callable[..., None], path: str, method: str):
    async def scenario(agent: CheckingAgent) -> None:
        status, _ = await agent.put(document(1), path, method)
        assert status in {403, 404}
        assert agent.runner.version == -1

    play(scenario)


def test_a_read_only_agent_takes_none(play: Callable[..., None]):
    async def scenario(agent: CheckingAgent) -> None:
        status, _ = await agent.put(document(1, check("a")))
        assert (status, agent.runner.states()) == (403, {})

    play(scenario, read_only=True)


def test_a_document_of_more_than_a_few_megabytes_is_refused(play: Callable[..., None]):
    async def scenario(agent: CheckingAgent) -> None:
        status, _ = await agent.put(document(1), size=5 * 1024 * 1024)
        assert (status, agent.runner.version) == (413, -1)

    play(scenario)
