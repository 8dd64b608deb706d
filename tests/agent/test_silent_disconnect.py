"""A pulled cable is silence: the portal sees no close, and has to notice by itself."""

from __future__ import annotations

import asyncio

import pytest
from websockets.asyncio.server import ServerConnection
from websockets.protocol import State

from tests.agent.harness import AgentHarness, RunScenario


async def is_answered(websocket: ServerConnection, seconds: float) -> bool:
    """Whether a ping is."""
    try:
        await asyncio.wait_for(asyncio.shield(await websocket.ping()), seconds)
    except TimeoutError:
        return False
    return True


async def pull_cable(harness: AgentHarness) -> ServerConnection:
    """Pull it; the socket that is left open, once the agent has noticed."""
    websocket = await harness.portal.websocket()
    assert await is_answered(websocket, 60)
    host = harness.host
    assert host is not None
    host.disconnect()
    await harness.portal.until(lambda: actions(harness)[-1] == "disconnected")
    return websocket


def actions(harness: AgentHarness) -> list[str]:
    assert harness.host is not None
    return [entry["action"] for entry in harness.host.journal.after(0, 1000) if entry["kind"] == "agent"]


def test_the_portal_is_not_notified(run_scenario: RunScenario):
    async def scenario(harness: AgentHarness) -> None:
        async with harness.agent():
            websocket = await pull_cable(harness)
            assert not await is_answered(websocket, 0.2)
            assert (websocket.state, websocket.protocol.close_rcvd) == (State.OPEN, None)
            assert not (await harness.portal.tunnel()).is_closed()
            assert len(harness.portal.dial_requests) == 1

    run_scenario(scenario)


def test_the_portal_notices_by_the_silence(run_scenario: RunScenario):
    async def scenario(harness: AgentHarness) -> None:
        async with harness.agent():
            websocket = await pull_cable(harness)
            tunnel = await harness.portal.tunnel()
            tunnel.set_keepalive(0.05, 2)
            await asyncio.wait_for(tunnel.wait_closed(), 60)
            assert websocket.protocol.close_rcvd is None

    run_scenario(scenario)


def test_a_mended_cable_ends_the_old_line_and_dials_a_new_one(run_scenario: RunScenario):
    async def scenario(harness: AgentHarness) -> None:
        async with harness.agent():
            websocket = await pull_cable(harness)
            assert harness.host is not None
            harness.host.reconnect()
            await harness.portal.tunnel(2)
            await asyncio.wait_for(websocket.wait_closed(), 60)
            assert websocket.protocol.close_rcvd is None, "nobody said goodbye"
            assert await is_answered(await harness.portal.websocket(2), 60)
            assert b"200 OK" in await harness.request("GET /_ping HTTP/1.0", 2)

    run_scenario(scenario)


def test_an_agent_that_ends_meanwhile_keeps_nothing_open(run_scenario: RunScenario):
    async def scenario(harness: AgentHarness) -> None:
        async with harness.agent():
            websocket = await pull_cable(harness)
        await asyncio.wait_for(websocket.wait_closed(), 60)
        assert actions(harness)[-1] == "stopped"

    run_scenario(scenario)


@pytest.mark.parametrize("times", [1, 2, 3])
def test_it_may_be_pulled_and_mended_more_than_once(run_scenario: RunScenario, times: int):
    async def scenario(harness: AgentHarness) -> None:
        async with harness.agent():
            await pull_cable(harness)
            assert harness.host is not None
            for _ in range(times):
                harness.host.disconnect()
            for _ in range(times):
                harness.host.reconnect()
            await harness.portal.tunnel(2)
            assert len(harness.portal.dial_requests) == 2

    run_scenario(scenario)


def test_twice_at_once_is_once(run_scenario: RunScenario):
    async def scenario(harness: AgentHarness) -> None:
        async with harness.agent():
            websocket = await harness.portal.websocket()
            assert harness.host is not None
            harness.host.disconnect()
            harness.host.disconnect()
            assert not await is_answered(websocket, 0.2)
            harness.host.reconnect()
            await asyncio.wait_for(websocket.wait_closed(), 60)

    run_scenario(scenario)


def test_a_cable_that_is_out_before_the_first_tunnel_keeps_it_from_being_dialled(run_scenario: RunScenario):
    async def scenario(harness: AgentHarness) -> None:
        async with harness.agent():
            assert harness.host is not None
            harness.host.disconnect()
            await harness.portal.until(lambda: harness.portal.registrations)
            assert harness.portal.dial_requests == []
            harness.host.reconnect()
            await harness.portal.tunnel()

    run_scenario(scenario)
