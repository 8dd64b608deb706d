"""Many simulated hosts live in one process, each with a tunnel of its own, and fail on order."""

from __future__ import annotations

import asyncio
import contextlib
import json
import stat
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from corral_agent import host as host_module
from corral_agent.options import Options
from corral_agent.sim import fleet
from tests.agent.portal import SOCKET, Portal

Scene = Callable[[Portal, Path], Awaitable[None]]


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Scene], None]:
    monkeypatch.setattr(host_module, "_FIRST", 0.01)
    monkeypatch.setattr(host_module, "_LONGEST", 0.05)

    def run(scene: Scene) -> None:
        async def main() -> None:
            async with Portal(tmp_path) as portal:
                await asyncio.wait_for(scene(portal, tmp_path), 120)

        asyncio.run(main())

    return run


@contextlib.asynccontextmanager
async def three(portal: Portal, folder: Path) -> AsyncIterator[asyncio.Future[None]]:
    options = Options(url=portal.url, state=folder / "state", simulate=3, control=str(folder / "control"))
    running = asyncio.ensure_future(fleet.run(options))
    try:
        yield running
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def order(folder: Path, **found: Any) -> dict[str, Any]:
    return await orders(folder, json.dumps(found))


async def orders(folder: Path, line: str) -> dict[str, Any]:
    reader, writer = await asyncio.open_unix_connection(str(folder / "control"))
    writer.write(f"{line}\n".encode())
    answer: dict[str, Any] = json.loads(await reader.readline())
    writer.close()
    return answer


async def ask(portal: Portal, number: int, method: str, path: str, body: Any = None) -> Any:
    reader, writer = await (await portal.tunnel(number)).open_unix_connection(SOCKET)
    data = b"" if body is None else json.dumps(body).encode()
    writer.write(f"{method} {path} HTTP/1.0\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data)
    found = (await reader.read()).partition(b"\r\n\r\n")[2]
    return json.loads(found) if found else None


def test_each_is_a_host_of_its_own(play: Callable[[Scene], None]):
    async def scene(portal: Portal, folder: Path) -> None:
        async with three(portal, folder):
            await portal.tunnel(3)
            hellos = [await ask(portal, number, "GET", "/corral/v1/hello") for number in (1, 2, 3)]
        assert {hello["hostname"] for hello in hellos} == {"sim-1", "sim-2", "sim-3"}
        assert all(hello["simulated"] for hello in hellos)
        for field in ("publicKey", "engineId", "hostname", "key"):
            assert len({body[field] for body in portal.registrations}) == 3
        assert all(body["simulated"] for body in portal.registrations)

    play(scene)


def test_a_fleet_that_is_started_again_is_the_same(play: Callable[[Scene], None]):
    async def scene(portal: Portal, folder: Path) -> None:
        async with three(portal, folder):
            await portal.tunnel(3)
        async with three(portal, folder):
            await portal.tunnel(6)
            infos = [await ask(portal, number, "GET", "/info") for number in (4, 5, 6)]
        assert len(portal.registrations) == 3
        assert {info["ID"] for info in infos} == {body["engineId"] for body in portal.registrations}

    play(scene)


def test_containers_of_one_host_are_unknown_to_another(play: Callable[[Scene], None]):
    async def scene(portal: Portal, folder: Path) -> None:
        async with three(portal, folder):
            await portal.tunnel(3)
            await ask(portal, 1, "POST", "/containers/create?name=web", {"Image": "sim:a"})
            await ask(portal, 1, "POST", "/containers/web/start")
            assert len(await ask(portal, 1, "GET", "/containers/json")) == 1
            assert await ask(portal, 2, "GET", "/containers/json") == []

    play(scene)


def test_orders_are_obeyed(play: Callable[[Scene], None]):
    async def scene(portal: Portal, folder: Path) -> None:
        async with three(portal, folder):
            await portal.tunnel(3)
            assert stat.S_IMODE((folder / "control").stat().st_mode) == 0o600
            names = [(await ask(portal, number, "GET", "/info"))["Name"] for number in (1, 2, 3)]
            at = names.index("sim-2") + 1
            await ask(portal, at, "POST", "/containers/create?name=web", {"Image": "sim:a"})
            await ask(portal, at, "POST", "/containers/web/start")
            assert await order(folder, agent=2, do="kill", container="web") == {"ok": True}
            seen = await ask(portal, at, "GET", "/containers/web/json")
            assert seen["State"]["ExitCode"] == 137
            await order(folder, agent=2, do="engine-down")
            assert "cannot be reached" in (await ask(portal, at, "GET", "/_ping"))["message"]
            await order(folder, agent=2, do="engine-up")
            assert (await ask(portal, at, "GET", "/info"))["Name"] == "sim-2"
            assert await order(folder, agent=2, do="cut") == {"ok": True}
            portal.tunnels[at - 1].set_keepalive(0.05, 3)
            await portal.until(portal.tunnels[at - 1].is_closed)
            assert not any(other.is_closed() for other in portal.tunnels if other is not portal.tunnels[at - 1])
            assert (len(portal.tunnels), len(portal.dials)) == (3, 3)
            assert await order(folder, agent=2, do="mend") == {"ok": True}
            await portal.tunnel(4)

    play(scene)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("nonsense", "an order is"),
        ("[]", "an order is"),
        ('{"agent": 1}', "an order is"),
        ('{"agent": 1, "do": "dance"}', "engine-down"),
        ('{"agent": 0, "do": "cut"}', "from 1 to 3"),
        ('{"agent": 4, "do": "cut"}', "from 1 to 3"),
        ('{"agent": "1", "do": "cut"}', "from 1 to 3"),
        ('{"agent": 1, "do": "kill", "container": "nobody"}', "No such container"),
        ('{"agent": 1, "do": "kill"}', "No such container"),
    ],
)
def test_an_order_that_cannot_be_obeyed_is_answered_with_words(play: Callable[[Scene], None], line: str, words: str):
    async def scene(portal: Portal, folder: Path) -> None:
        async with three(portal, folder):
            await portal.tunnel(3)
            found = await orders(folder, line)
            assert found["ok"] is False
            assert words in found["error"]

    play(scene)
