"""The agent's health checks over its API: a document is put, and a stream of lines says what was found."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from corral_agent import agent_api as own_module
from tests.agent.checking_agent import CheckingAgent, check

Scenario = Callable[[CheckingAgent], Awaitable[None]]


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    monkeypatch.setattr(own_module, "_CHECKS_BATCH", 0.01)

    def run(scenario: Scenario, **options: bool) -> None:
        async def main() -> None:
            agent = CheckingAgent(tmp_path, read_only=options.get("read_only", False))
            async with agent.listening():
                await scenario(agent)

        asyncio.run(main())

    return run


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


def test_a_change_after_a_while_goes_out_at_once(play: Callable[..., None], monkeypatch: pytest.MonkeyPatch):
    async def scenario(agent: CheckingAgent) -> None:
        box = agent.run_container("a")
        await agent.put(document(1, check("a")))
        await agent.until("healthy", "a")
        stream = agent.lines()
        await anext(stream)
        monkeypatch.setattr(own_module, "_CHECKS_BATCH", 3600.0)  # from the next line to the one after it
        box.health = "unhealthy"
        assert (await anext(stream))["states"]["a"]["state"] == "unhealthy"

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
