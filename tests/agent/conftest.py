"""What tests of the agent may ask for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from corral_agent import host_agent as host_module
from tests.agent.fake_engine import FakeEngine
from tests.agent.fake_portal import FakePortal
from tests.agent.harness import AgentHarness, RunScenario
from tests.agent.proxy_client import ProxyClient, RunProxyScenario, serve_proxy


@pytest.fixture
def run_scenario(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunScenario:
    """Runs a scenario on a fresh harness with short pauses."""
    monkeypatch.setattr(host_module, "_MIN_PAUSE", 0.01)
    monkeypatch.setattr(host_module, "_MAX_PAUSE", 0.05)
    monkeypatch.setattr(host_module, "_REFUSED_RETRY_DELAY", 0.05)

    def run(scenario: Callable[[AgentHarness], Awaitable[None]]) -> None:
        async def main() -> None:
            async with FakePortal(tmp_path) as portal, FakeEngine(tmp_path) as engine:
                await asyncio.wait_for(scenario(AgentHarness(tmp_path, portal, engine)), 120)

        asyncio.run(main())

    return run


@pytest.fixture
def run_proxy_scenario(tmp_path: Path) -> RunProxyScenario:
    """Runs a scenario against an engine proxy."""

    def run(scenario: Callable[[ProxyClient], Awaitable[None]]) -> None:
        async def main() -> None:
            async with serve_proxy(tmp_path) as engine_proxy:
                await asyncio.wait_for(scenario(engine_proxy), 20)

        asyncio.run(main())

    return run
