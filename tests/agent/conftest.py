"""What tests of the agent may ask for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from corral_agent import host as host_module
from tests.agent.fake_engine import FakeEngine
from tests.agent.portal import Portal
from tests.agent.stage import Play, Stage
from tests.agent.threshold import Knock, Threshold, threshold


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Play:
    """Runs a scene on a fresh stage; pauses are short."""
    monkeypatch.setattr(host_module, "_FIRST", 0.01)
    monkeypatch.setattr(host_module, "_LONGEST", 0.05)
    monkeypatch.setattr(host_module, "_REFUSED_AGAIN", 0.05)

    def run(scene: Callable[[Stage], Awaitable[None]]) -> None:
        async def main() -> None:
            async with Portal(tmp_path) as portal, FakeEngine(tmp_path) as engine:
                await asyncio.wait_for(scene(Stage(tmp_path, portal, engine)), 120)

        asyncio.run(main())

    return run


@pytest.fixture
def knock(tmp_path: Path) -> Knock:
    """Runs a scene in front of a door."""

    def run(scene: Callable[[Threshold], Awaitable[None]]) -> None:
        async def main() -> None:
            async with threshold(tmp_path) as door:
                await asyncio.wait_for(scene(door), 20)

        asyncio.run(main())

    return run
