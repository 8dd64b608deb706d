"""The portal's end of an agent's checks: documents go out when they change, reports come in, trouble passes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError

from apps.hosts import host_versions
from apps.hosts.health_checks import agent_checks, versions
from apps.hosts.health_checks.agent_checks import AgentChecks
from apps.hosts.host_versions import HostVersions
from apps.hosts.workloads import workloads
from corral_agent import agent_api
from tests.agent.checking_agent import CheckingAgent, check
from tests.hosts.agent_tunnel import Tunnel, until
from tests.hosts.stub_workload import StubWorkload, register_only

HOST = 7


class CheckedWorkload(StubWorkload):
    """Has these checks, and notes what is reported of them."""

    def __init__(self) -> None:
        super().__init__()
        self.version, self.checks = "1", [check("a")]
        self.reports: list[Mapping[str, Any]] = []
        self.reads = 0
        self.failures: list[Exception] = []

    def health_check_versions(self) -> Mapping[int, str]:
        self.reads += 1
        if self.failures:
            raise self.failures.pop()
        return {HOST: self.version}

    def health_checks(self, host_id: int) -> Sequence[Mapping[str, Any]]:
        return list(self.checks) if host_id == HOST else []

    def on_health_reports(self, host_id: int, reports: Mapping[str, Any]) -> None:
        if self.failures:
            raise self.failures.pop()
        if host_id == HOST:
            self.reports.append(reports)

    def state(self, key: str = "a") -> str:
        found = [reports[key]["state"] for reports in self.reports if key in reports]
        return str(found[-1]) if found else ""


@pytest.fixture
def workload(monkeypatch: pytest.MonkeyPatch) -> CheckedWorkload:
    made = CheckedWorkload()
    register_only(monkeypatch, made)
    return made


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    async def run_here(call: Any, *args: Any) -> Any:
        return call(*args)

    monkeypatch.setattr(agent_checks, "versions", HostVersions(workloads.health_check_versions, 0.01))
    monkeypatch.setattr(agent_checks, "run_in_thread", run_here)
    monkeypatch.setattr(host_versions, "run_in_thread", run_here)
    monkeypatch.setattr(host_versions, "RETRY_DELAY", 0.01)
    monkeypatch.setattr(agent_checks, "RETRY_DELAY", 0.01)
    monkeypatch.setattr(agent_api, "_CHECKS_BATCH", 0.01)

    def run(scenario: Callable[[CheckingAgent, Tunnel], Awaitable[None]], hello: Mapping[str, Any]) -> None:
        async def main() -> None:
            agent = CheckingAgent(tmp_path)
            tunnel = Tunnel(agent)
            async with agent.listening():
                follower = AgentChecks(HOST, tunnel, dict(hello))  # type: ignore[arg-type]
                following = asyncio.ensure_future(follower.run())
                await scenario(agent, tunnel)
                following.cancel()
                await asyncio.gather(following, return_exceptions=True)
                tunnel.cut()

        asyncio.run(main())

    return run


CHECKING = {"checks": True}


def test_a_document_goes_out_and_reports_come_in(play: Callable[..., None], workload: CheckedWorkload) -> None:
    async def scenario(agent: CheckingAgent, tunnel: Tunnel) -> None:
        box = agent.run_container("a")
        await until(lambda: workload.state() == "healthy")
        box.health = "unhealthy"
        await until(lambda: workload.state() == "unhealthy")
        workload.checks, workload.version = [check("b")], "2"
        await until(lambda: list(agent.runner.states()) == ["b"])

    play(scenario, CHECKING)


def test_a_document_that_says_the_same_is_not_sent_again(play: Callable[..., None], workload: CheckedWorkload) -> None:
    async def scenario(agent: CheckingAgent, tunnel: Tunnel) -> None:
        agent.run_container("a")
        await until(lambda: workload.state() == "healthy")
        sent = agent.runner.version
        workload.checks, workload.version = [check("a", last="healthy")], "2"
        reads = workload.reads
        await until(lambda: workload.reads > reads + 3)
        assert agent.runner.version == sent

    play(scenario, CHECKING)


@pytest.mark.parametrize(("kept", "sent"), [({"checkCount": 0}, False), ({"checkCount": 1}, True), ({}, True)])
def test_without_checks_a_document_goes_only_to_who_may_have_some(
    play: Callable[..., None], workload: CheckedWorkload, kept: dict[str, int], sent: bool
) -> None:
    async def scenario(agent: CheckingAgent, tunnel: Tunnel) -> None:
        reads = workload.reads
        await until(lambda: workload.reads > reads + 3)
        assert (agent.runner.version != -1) is sent

    workload.checks, workload.version = [], ""
    play(scenario, {**CHECKING, **kept})


def test_after_a_broken_stream_the_whole_state_comes_again(
    play: Callable[..., None], workload: CheckedWorkload
) -> None:
    async def scenario(agent: CheckingAgent, tunnel: Tunnel) -> None:
        agent.run_container("a")
        await until(lambda: workload.state() == "healthy")
        workload.reports.clear()
        tunnel.cut()
        await until(lambda: workload.state() == "healthy")

    play(scenario, CHECKING)


def test_what_nobody_took_over_comes_again_by_itself(
    play: Callable[..., None], workload: CheckedWorkload, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As while its host did not count among those that check for a moment: nothing changes, so nothing would be sent.
    monkeypatch.setattr(agent_checks, "REREAD_SECONDS", (0.05, 0.1))
    monkeypatch.setattr(agent_api, "_CHECKS_QUIET", 0.05)

    async def scenario(agent: CheckingAgent, tunnel: Tunnel) -> None:
        agent.run_container("a")
        await until(lambda: workload.state() == "healthy")
        for _ in range(2):
            workload.reports.clear()
            await until(lambda: workload.state() == "healthy")

    play(scenario, CHECKING)


def test_a_database_that_is_away_breaks_nothing(play: Callable[..., None], workload: CheckedWorkload) -> None:
    async def scenario(agent: CheckingAgent, tunnel: Tunnel) -> None:
        box = agent.run_container("a")
        await until(lambda: workload.state() == "healthy")
        workload.reports.clear()
        workload.failures = [OperationalError("away")] * 4
        box.health = "unhealthy"
        await until(lambda: not workload.failures and workload.state() == "unhealthy")

    play(scenario, CHECKING)


@pytest.mark.parametrize(("hello", "words"), [({}, "update it"), ({"checks": False, "readOnly": True}, "read-only")])
def test_an_agent_that_makes_no_checks_is_said_to_on_every_check(
    play: Callable[..., None], workload: CheckedWorkload, hello: dict[str, Any], words: str
) -> None:
    async def scenario(agent: CheckingAgent, tunnel: Tunnel) -> None:
        await until(lambda: bool(workload.reports))
        found = workload.reports[-1]["a"]
        assert (found["state"], found["run"]) == ("unchecked", "1")
        assert words in found["reason"]
        workload.checks, workload.version = [check("b")], "2"
        await until(lambda: workload.state("b") == "unchecked")
        assert not tunnel.writers, "nothing is asked of it"

    play(scenario, hello)


def test_a_check_that_cannot_be_made_costs_only_itself(play: Callable[..., None], workload: CheckedWorkload) -> None:
    async def scenario(agent: CheckingAgent, tunnel: Tunnel) -> None:
        agent.run_container("a")
        await until(lambda: workload.state("odd") == "unchecked" and workload.state("a") == "healthy")
        reasons = [reports["odd"]["reason"] for reports in workload.reports if "odd" in reports]
        assert reasons[-1] == "The check cannot be made: check odd: address must have no scope."

    workload.checks.append(check("odd", address="fe80::1%eth0; x"))
    play(scenario, CHECKING)


def test_more_checks_than_a_host_makes_are_said_not_to_be_made(
    workload: CheckedWorkload, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(versions, "MAX_CHECKS", 2)
    workload.checks = [check(key) for key in "abcd"]
    assert [each["id"] for each in versions.document_of(HOST)["checks"]] == ["a", "b"]
    assert [(workload.state(key), workload.reports[-1][key]["reason"]) for key in "cd"] == [
        ("unchecked", versions._TOO_MANY)
    ] * 2
