"""A pulled cable is silence: the portal is told nothing, and whoever waits for the agent has to notice by himself."""

from __future__ import annotations

import asyncio

import pytest
from websockets.asyncio.server import ServerConnection
from websockets.protocol import State

from tests.agent.stage import Play, Stage


async def is_answered(line: ServerConnection, patience: float) -> bool:
    """Whether a ping is."""
    try:
        await asyncio.wait_for(asyncio.shield(await line.ping()), patience)
    except TimeoutError:
        return False
    return True


async def cut(stage: Stage) -> ServerConnection:
    """Pull it; the line that hangs in the air, once the agent has noticed."""
    line = await stage.portal.line()
    assert await is_answered(line, 60)
    host = stage.host
    assert host is not None
    host.cut()
    await stage.portal.until(lambda: actions(stage)[-1] == "disconnected")
    return line


def actions(stage: Stage) -> list[str]:
    assert stage.host is not None
    return [entry["action"] for entry in stage.host.journal.after(0, 1000) if entry["kind"] == "agent"]


def test_the_portal_is_told_nothing(play: Play):
    async def scene(stage: Stage) -> None:
        async with stage.agent():
            line = await cut(stage)
            assert not await is_answered(line, 0.2)
            assert (line.state, line.protocol.close_rcvd) == (State.OPEN, None)
            assert not (await stage.portal.tunnel()).is_closed()
            assert len(stage.portal.dials) == 1

    play(scene)


def test_the_portal_notices_by_the_silence(play: Play):
    async def scene(stage: Stage) -> None:
        async with stage.agent():
            line = await cut(stage)
            tunnel = await stage.portal.tunnel()
            tunnel.set_keepalive(0.05, 2)
            await asyncio.wait_for(tunnel.wait_closed(), 60)
            assert line.protocol.close_rcvd is None

    play(scene)


def test_a_mended_cable_ends_the_old_line_and_dials_a_new_one(play: Play):
    async def scene(stage: Stage) -> None:
        async with stage.agent():
            line = await cut(stage)
            assert stage.host is not None
            stage.host.mend()
            await stage.portal.tunnel(2)
            await asyncio.wait_for(line.wait_closed(), 60)
            assert line.protocol.close_rcvd is None, "nobody said goodbye"
            assert await is_answered(await stage.portal.line(2), 60)
            assert b"200 OK" in await stage.ask("GET /_ping HTTP/1.0", 2)

    play(scene)


def test_an_agent_that_ends_meanwhile_keeps_nothing_open(play: Play):
    async def scene(stage: Stage) -> None:
        async with stage.agent():
            line = await cut(stage)
        await asyncio.wait_for(line.wait_closed(), 60)
        assert actions(stage)[-1] == "stopped"

    play(scene)


@pytest.mark.parametrize("times", [1, 2, 3])
def test_it_may_be_pulled_and_mended_more_than_once(play: Play, times: int):
    async def scene(stage: Stage) -> None:
        async with stage.agent():
            await cut(stage)
            assert stage.host is not None
            for _ in range(times):
                stage.host.cut()
            for _ in range(times):
                stage.host.mend()
            await stage.portal.tunnel(2)
            assert len(stage.portal.dials) == 2

    play(scene)


def test_twice_at_once_is_once(play: Play):
    async def scene(stage: Stage) -> None:
        async with stage.agent():
            line = await stage.portal.line()
            assert stage.host is not None
            stage.host.cut()
            stage.host.cut()
            assert not await is_answered(line, 0.2)
            stage.host.mend()
            await asyncio.wait_for(line.wait_closed(), 60)

    play(scene)


def test_a_cable_that_is_out_before_the_first_tunnel_keeps_it_from_being_dialled(play: Play):
    async def scene(stage: Stage) -> None:
        async with stage.agent():
            assert stage.host is not None
            stage.host.cut()
            await stage.portal.until(lambda: stage.portal.registrations)
            assert stage.portal.dials == []
            stage.host.mend()
            await stage.portal.tunnel()

    play(scene)
