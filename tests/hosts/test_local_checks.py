"""Checks of hosts without an agent: made here for engines of this machine, and said of all others that nobody can."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest
from django.db import OperationalError
from django.utils import timezone

from apps.environments.models import Environment
from apps.hosts.health_checks import local_checks
from apps.hosts.health_checks.local_checks import LocalChecks
from apps.hosts.models import Host
from tests.agent.checking_agent import check
from tests.hosts.stub_workload import StubWorkload, register_only

UNIX, TLS = 1, 2


class Checked(StubWorkload):
    """One check for each host, and what is reported of them."""

    def __init__(self) -> None:
        super().__init__()
        self.ports: dict[int, int] = {}
        self.reports: list[tuple[int, str, str]] = []
        self.failures: list[Exception] = []

    def health_check_versions(self) -> Mapping[int, str]:
        return {host: f"port {port}" for host, port in self.ports.items()}

    def health_checks(self, host_id: int) -> list[Mapping[str, Any]]:
        return [check(f"c{host_id}", address="127.0.0.1", subnet="127.0.0.1/8", port=self.ports[host_id])]

    def on_health_reports(self, host_id: int, reports: Mapping[str, Any]) -> None:
        if self.failures:
            raise self.failures.pop()
        self.reports += [(host_id, found["state"], found["reason"]) for found in reports.values()]

    def states(self, host_id: int) -> list[str]:
        return [state for host, state, _ in self.reports if host == host_id]


@pytest.fixture
def workload(monkeypatch: pytest.MonkeyPatch) -> Checked:
    made = Checked()
    register_only(monkeypatch, made)
    return made


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch, workload: Checked) -> Callable[..., None]:
    """Runs a scenario with checks whose process holds these hosts."""

    async def run_here(call: Any, *args: Any) -> Any:
        return call(*args)

    monkeypatch.setattr(local_checks, "run_in_thread", run_here)

    def run(scenario: Callable[[LocalChecks, dict[int, str], int], Awaitable[None]]) -> None:
        async def main() -> None:
            server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
            hosts: dict[int, str] = {}
            monkeypatch.setattr(LocalChecks, "_hosts", lambda _self: dict(hosts))
            checks = LocalChecks("gw-1")
            async with asyncio.timeout(60):
                await scenario(checks, hosts, server.sockets[0].getsockname()[1])
            hosts.clear()
            await checks.run_once()
            server.close()
            await server.wait_closed()

        asyncio.run(main())

    return run


async def rounds_until(checks: LocalChecks, condition: Callable[[], bool]) -> None:
    while not condition():
        await checks.run_once()
        await asyncio.sleep(0.005)


def test_the_engine_of_this_machine_is_checked_and_others_are_said_not_to_be(
    play: Callable[..., None], workload: Checked
) -> None:
    async def scenario(checks: LocalChecks, hosts: dict[int, str], port: int) -> None:
        hosts |= {UNIX: "unix:///var/run/docker.sock", TLS: "https://10.0.0.9:2376"}
        workload.ports = {UNIX: port, TLS: port}
        await rounds_until(checks, lambda: "healthy" in workload.states(UNIX))
        assert [found for found in workload.reports if found[0] == TLS] == [(TLS, "unchecked", local_checks.NO_AGENT)]

    play(scenario)


def test_a_change_is_taken_over_and_a_host_that_is_gone_is_left_alone(
    play: Callable[..., None], workload: Checked
) -> None:
    async def scenario(checks: LocalChecks, hosts: dict[int, str], port: int) -> None:
        hosts[UNIX], workload.ports = "unix:///x", {UNIX: port}
        await rounds_until(checks, lambda: "healthy" in workload.states(UNIX))
        closed = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
        workload.ports = {UNIX: closed.sockets[0].getsockname()[1]}
        closed.close()
        await closed.wait_closed()
        await rounds_until(checks, lambda: workload.states(UNIX)[-1] == "unhealthy")
        assert workload.reports[-1][2] == "connection refused"
        runner = checks._runners[UNIX]
        hosts.clear()
        await checks.run_once()
        assert (checks._runners, runner.states()) == ({}, {})

    play(scenario)


def test_a_change_is_reported_before_the_round_is_over(
    play: Callable[..., None], workload: Checked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_checks, "ROUND_SECONDS", 3600.0)
    monkeypatch.setattr(local_checks, "_BATCH_SECONDS", 0.01)

    async def scenario(checks: LocalChecks, hosts: dict[int, str], port: int) -> None:
        hosts[UNIX], workload.ports = "unix:///x", {UNIX: port}
        await checks.run_once()
        while "healthy" not in workload.states(UNIX):
            await checks._pause()
            await checks.run_once()

    play(scenario)


def test_a_report_that_could_not_be_stored_is_made_again(play: Callable[..., None], workload: Checked) -> None:
    async def scenario(checks: LocalChecks, hosts: dict[int, str], port: int) -> None:
        hosts[UNIX], workload.ports = "unix:///x", {UNIX: port}
        workload.failures = [OperationalError("away")]
        with pytest.raises(OperationalError):
            await checks.run_once()
        await rounds_until(checks, lambda: "healthy" in workload.states(UNIX))

    play(scenario)


def test_all_is_reported_again_now_and_then(
    play: Callable[..., None], workload: Checked, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(checks: LocalChecks, hosts: dict[int, str], port: int) -> None:
        hosts[UNIX], workload.ports = "unix:///x", {UNIX: port}
        await rounds_until(checks, lambda: "healthy" in workload.states(UNIX))
        workload.reports.clear()
        await checks.run_once()
        assert workload.states(UNIX) == []
        monkeypatch.setattr(local_checks, "REPEAT_SECONDS", 0.0)
        await checks.run_once()
        assert workload.states(UNIX) == ["healthy"]

    play(scenario)


def test_only_hosts_that_this_process_holds_and_that_have_no_agent_are_its_own(lab: Environment) -> None:
    now = timezone.now()
    for name, url, gateway in (
        ("mine", "unix:///a", "gw-1"),
        ("other", "unix:///b", "gw-2"),
        ("agent", "agent://c", "gw-1"),
    ):
        Host.all_objects.create(environment=lab, name=name, url=url, gateway=gateway, desired="active", created=now)
    found = LocalChecks("gw-1")._hosts()
    assert list(found.values()) == ["unix:///a"]
