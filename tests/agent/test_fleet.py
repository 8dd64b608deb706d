"""Many simulated hosts live in one process, each with a tunnel of its own, and fail on command."""

from __future__ import annotations

import asyncio
import contextlib
import json
import stat
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from corral_agent import __main__ as program
from corral_agent import host_agent as host_module
from corral_agent.options import Options
from corral_agent.simulated import fleet
from tests.agent.fake_portal import SOCKET, FakePortal

Scenario = Callable[[FakePortal, Path], Awaitable[None]]


@pytest.fixture
def run_scenario(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Scenario], None]:
    monkeypatch.setattr(host_module, "_MIN_PAUSE", 0.01)
    monkeypatch.setattr(host_module, "_MAX_PAUSE", 0.05)

    def run(scenario: Scenario) -> None:
        async def main() -> None:
            async with FakePortal(tmp_path) as portal:
                await asyncio.wait_for(scenario(portal, tmp_path), 120)

        asyncio.run(main())

    return run


@contextlib.asynccontextmanager
async def three_hosts(portal: FakePortal, folder: Path) -> AsyncIterator[asyncio.Future[None]]:
    options = Options(url=portal.url, state=folder / "state", simulate=3, control=str(folder / "control"))
    running = asyncio.ensure_future(fleet.run(options))
    try:
        yield running
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def send_command(folder: Path, **found: Any) -> dict[str, Any]:
    return await send_line(folder, json.dumps(found))


async def send_line(folder: Path, line: str) -> dict[str, Any]:
    reader, writer = await asyncio.open_unix_connection(str(folder / "control"))
    writer.write(f"{line}\n".encode())
    answer: dict[str, Any] = json.loads(await reader.readline())
    writer.close()
    return answer


async def request(portal: FakePortal, number: int, method: str, path: str, body: Any = None) -> Any:
    reader, writer = await (await portal.tunnel(number)).open_unix_connection(SOCKET)
    data = b"" if body is None else json.dumps(body).encode()
    writer.write(f"{method} {path} HTTP/1.0\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data)
    found = (await reader.read()).partition(b"\r\n\r\n")[2]
    return json.loads(found) if found else None


def test_each_is_a_host_of_its_own(run_scenario: Callable[[Scenario], None]):
    async def scenario(portal: FakePortal, folder: Path) -> None:
        async with three_hosts(portal, folder):
            await portal.tunnel(3)
            hellos = [await request(portal, number, "GET", "/corral/v1/hello") for number in (1, 2, 3)]
        assert {hello["hostname"] for hello in hellos} == {"sim-1", "sim-2", "sim-3"}
        assert all(hello["simulated"] for hello in hellos)
        for field in ("publicKey", "engineId", "hostname", "key"):
            assert len({body[field] for body in portal.registrations}) == 3
        assert all(body["simulated"] for body in portal.registrations)

    run_scenario(scenario)


def test_a_fleet_that_is_started_again_is_the_same(run_scenario: Callable[[Scenario], None]):
    async def scenario(portal: FakePortal, folder: Path) -> None:
        async with three_hosts(portal, folder):
            await portal.tunnel(3)
        async with three_hosts(portal, folder):
            await portal.tunnel(6)
            infos = [await request(portal, number, "GET", "/info") for number in (4, 5, 6)]
        assert len(portal.registrations) == 3
        assert {info["ID"] for info in infos} == {body["engineId"] for body in portal.registrations}

    run_scenario(scenario)


def test_containers_of_one_host_are_unknown_to_another(run_scenario: Callable[[Scenario], None]):
    async def scenario(portal: FakePortal, folder: Path) -> None:
        async with three_hosts(portal, folder):
            await portal.tunnel(3)
            await request(portal, 1, "POST", "/containers/create?name=web", {"Image": "sim:a"})
            await request(portal, 1, "POST", "/containers/web/start")
            assert len(await request(portal, 1, "GET", "/containers/json")) == 1
            assert await request(portal, 2, "GET", "/containers/json") == []

    run_scenario(scenario)


def test_commands_are_carried_out(run_scenario: Callable[[Scenario], None]):
    async def scenario(portal: FakePortal, folder: Path) -> None:
        async with three_hosts(portal, folder):
            await portal.tunnel(3)
            assert stat.S_IMODE((folder / "control").stat().st_mode) == 0o600
            names = [(await request(portal, number, "GET", "/info"))["Name"] for number in (1, 2, 3)]
            at = names.index("sim-2") + 1
            await request(portal, at, "POST", "/containers/create?name=web", {"Image": "sim:a"})
            await request(portal, at, "POST", "/containers/web/start")
            assert await send_command(folder, agent=2, do="kill", container="web") == {"ok": True}
            seen = await request(portal, at, "GET", "/containers/web/json")
            assert seen["State"]["ExitCode"] == 137
            await send_command(folder, agent=2, do="engine-down")
            assert "cannot be reached" in (await request(portal, at, "GET", "/_ping"))["message"]
            await send_command(folder, agent=2, do="engine-up")
            assert (await request(portal, at, "GET", "/info"))["Name"] == "sim-2"
            assert await send_command(folder, agent=2, do="cut") == {"ok": True}
            portal.tunnels[at - 1].set_keepalive(0.05, 3)
            await portal.until(portal.tunnels[at - 1].is_closed)
            assert not any(other.is_closed() for other in portal.tunnels if other is not portal.tunnels[at - 1])
            assert (len(portal.tunnels), len(portal.dial_requests)) == (3, 3)
            assert await send_command(folder, agent=2, do="mend") == {"ok": True}
            await portal.tunnel(4)

    run_scenario(scenario)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("nonsense", "a command is"),
        ("[]", "a command is"),
        ('{"agent": 1}', "a command is"),
        ('{"agent": 1, "do": "dance"}', "engine-down"),
        ('{"agent": 0, "do": "cut"}', "from 1 to 3"),
        ('{"agent": 4, "do": "cut"}', "from 1 to 3"),
        ('{"agent": "1", "do": "cut"}', "from 1 to 3"),
        ('{"agent": 1, "do": "kill", "container": "nobody"}', "No such container"),
        ('{"agent": 1, "do": "kill"}', "No such container"),
    ],
)
def test_a_command_that_cannot_be_carried_out_is_answered_with_the_reason(
    run_scenario: Callable[[Scenario], None], line: str, words: str
):
    async def scenario(portal: FakePortal, folder: Path) -> None:
        async with three_hosts(portal, folder):
            await portal.tunnel(3)
            found = await send_line(folder, line)
            assert found["ok"] is False
            assert words in found["error"]

    run_scenario(scenario)


def test_without_the_simulated_engine_simulated_hosts_are_refused_with_a_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setenv("CORRAL_STATE", str(tmp_path))
    monkeypatch.setattr("sys.argv", ["corral_agent", "--simulate", "2", "http://127.0.0.1:9/v1/scripts/t"])
    monkeypatch.setattr("os.umask", lambda _: 0)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert program.main() == 1
    assert "needs the package simulated_engine" in caplog.text
