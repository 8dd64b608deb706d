"""What an agent sends through its WebSocket once its tunnel stands: frames of SSH, many a second."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from channels.exceptions import StopConsumer

from apps.realtime.agent import AgentSocket
from tests.realtime.websocket_client import run_async


def test_frames_are_passed_on_without_a_task_for_each(monkeypatch: pytest.MonkeyPatch):
    fed: list[bytes] = []
    dispatched: list[str] = []

    class Transport:
        def feed(self, data: bytes) -> None:
            fed.append(data)

        def mark_lost(self) -> None: ...

    async def dispatch(_socket: AgentSocket, message: Any) -> None:
        dispatched.append(message["type"])
        if message["type"] == "websocket.disconnect":
            raise StopConsumer

    async def leave_nothing(_socket: AgentSocket, _tunnel: Any) -> None: ...

    monkeypatch.setattr(AgentSocket, "dispatch", dispatch)
    monkeypatch.setattr(AgentSocket, "_leave_group", leave_nothing)
    frames = [{"type": "websocket.receive", "bytes": b"%d" % number} for number in range(5)]
    messages = iter([*frames, {"type": "websocket.receive", "text": "?"}, {"type": "websocket.disconnect"}])

    async def receive() -> Any:
        return next(messages)

    async def main() -> None:
        agent_socket = AgentSocket()
        agent_socket.tunnel = SimpleNamespace(transport=Transport())  # type: ignore[assignment]
        await agent_socket({"type": "websocket"}, receive, None)

    run_async(main)
    assert fed == [b"0", b"1", b"2", b"3", b"4"]
    assert dispatched == ["websocket.receive", "websocket.disconnect"]
