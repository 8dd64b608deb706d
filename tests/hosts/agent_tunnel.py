"""A tunnel to an agent inside the test's own process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from tests.agent.checking_agent import CheckingAgent


class Tunnel:
    """Channels to the agent's socket, as an SSH connection opens them; counts the documents that go through."""

    def __init__(self, agent: CheckingAgent) -> None:
        self.agent, self.writers = agent, list[asyncio.StreamWriter]()

    async def open_unix_connection(self, _path: str, *, encoding: Any) -> Any:
        assert encoding is None
        reader, writer = await asyncio.open_unix_connection(self.agent.path)
        self.writers.append(writer)
        return reader, writer

    def cut(self) -> None:
        """End all streams; the tunnel stays."""
        for writer in self.writers:
            writer.close()


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - of several things, none of which has an event
        await asyncio.sleep(0.005)
