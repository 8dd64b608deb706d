"""An agent for tests: authenticates over a test WebSocket and answers like a minimal engine."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import asyncssh

from apps.hosts.agents import IssuedCredential, agent_register
from apps.hosts.models import RegistrationToken
from apps.hosts.tunnels.keys import get_portal_key
from apps.hosts.tunnels.websocket_transport import WebSocketTransport
from tests.realtime.websocket_client import WebSocketClient

INFO = {
    "ID": "ENGINE:1",
    "Name": "h1",
    "ServerVersion": "20.10.24",
    "OperatingSystem": "Debian GNU/Linux 12",
    "KernelVersion": "6.1.0",
    "Architecture": "x86_64",
    "NCPU": 2,
    "MemTotal": 2 * 2**30,
    "Driver": "overlay2",
}


def registration_body(key: asyncssh.SSHKey, **fields: Any) -> dict[str, Any]:
    """The registration of an agent with this key."""
    return {
        "key": "request-1",
        "publicKey": key.export_public_key().decode(),
        "hostname": "h1",
        "address": "10.9.8.7",
        "labels": {"zone": "a"},
        "engineId": "ENGINE:1",
        "agentVersion": "0.1.0",
        **fields,
    }


@dataclass
class EngineAnswers:
    """The state of the fake engine, which tests change."""

    machine: dict[str, Any] = field(default_factory=dict)
    stats: dict[str, Any] = field(default_factory=dict)
    stream: dict[str, Any] = field(default_factory=dict)
    journal: list[dict[str, Any]] = field(default_factory=list)
    first: int = 1
    clock: Callable[[], float] = time.time
    containers: list[dict[str, Any]] = field(default_factory=list)
    is_up: bool = True
    requests: list[str] = field(default_factory=list)
    events: asyncio.Queue[dict[str, Any] | None] = field(default_factory=asyncio.Queue)


class FakeAgent:
    """An agent: its key, its credential, and its engine."""

    def __init__(self, registered: IssuedCredential, key: asyncssh.SSHKey, pinned: str) -> None:
        self.key, self.pinned = key, pinned
        self.access, self.secret = registered.credential.access_key, registered.secret
        self.answers = EngineAnswers()
        self.refused: list[str] = []

    @property
    def headers(self) -> dict[str, str]:
        coded = base64.b64encode(f"{self.access}:{self.secret}".encode()).decode()
        return {"authorization": f"Basic {coded}"}

    async def connect(self) -> AgentConnection:
        """Open the WebSocket and serve SSH in it."""
        websocket_client = WebSocketClient("/v1/agent", self.headers)
        assert await websocket_client.open()
        return AgentConnection(self, websocket_client)


def make_agent(token: RegistrationToken, **fields: Any) -> FakeAgent:
    """A registered agent."""
    key = asyncssh.generate_private_key("ssh-ed25519")
    return FakeAgent(
        agent_register(token, registration_body(key, **fields), address="127.0.0.1"), key, get_portal_key().public
    )


class _ListenAdapter:
    """Stands for the connection that asyncssh listens through: returns the protocol for one."""

    async def create_server(self, factory: Callable[..., Any], _host: str, _port: int) -> _ListenAdapter:
        self.protocol = factory("", 0)
        return self


class AgentConnection:
    """An open connection of an agent."""

    def __init__(self, agent: FakeAgent, websocket_client: WebSocketClient) -> None:
        self.agent, self.websocket_client = agent, websocket_client
        self.line = WebSocketTransport("portal")
        self.closed: tuple[int, str] | None = None
        self._tasks = [asyncio.ensure_future(self._receive()), asyncio.ensure_future(self._send())]

    async def _receive(self) -> None:
        listening: Any = _ListenAdapter()
        await asyncssh.listen(
            tunnel=listening,
            server_factory=lambda: _Server(self.agent),
            server_host_keys=[self.agent.key],
            encoding=None,
            config=None,
        )
        self.line.attach(listening.protocol)
        while (frame := await self.websocket_client._communicator.receive_output(20))["type"] != "websocket.close":
            self.line.feed(frame["bytes"])
        self.closed = (frame["code"], frame.get("reason") or "")

    async def _send(self) -> None:
        while data := await self.line.next_frame():
            await self.websocket_client.send(data)

    async def close_code(self, seconds: float = 30) -> int:
        """The code that the portal closed with."""
        await wait_until(lambda: self.closed is not None, seconds)
        assert self.closed is not None
        return self.closed[0]

    async def drop_connection(self) -> None:
        """Drop the connection without a close."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.line.mark_lost()
        await self.websocket_client.disconnect()


async def wait_until(condition: Callable[[], Any], seconds: float = 30) -> None:
    """Wait until a condition is true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        await asyncio.sleep(0.01)


class _Server(asyncssh.SSHServer):
    def __init__(self, agent: FakeAgent) -> None:
        self._agent = agent

    def begin_auth(self, username: str) -> bool:
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        good = key.public_data == asyncssh.import_public_key(self._agent.pinned).public_data and username == "corral"
        if not good:
            self._agent.refused.append(username)
        return good

    def unix_connection_requested(self, dest_path: str) -> Any:
        if dest_path != "/var/run/docker.sock":
            return False
        return lambda reader, writer: _answer(self._agent.answers, reader, writer)


async def _answer(answers: EngineAnswers, reader: Any, writer: Any) -> None:
    with contextlib.suppress(asyncssh.Error, OSError, asyncio.CancelledError):
        while head := await _head(reader):
            method, target, version = head.split("\r\n")[0].split()
            answers.requests.append(f"{method} {target}")
            if await _answer_one(answers, target, version, writer):
                break
        writer.close()


async def _head(reader: Any) -> str:
    got = b""
    while b"\r\n\r\n" not in got:
        piece = await reader.read(65536)
        if not piece:
            return ""
        got += piece
    return got.decode()


async def _answer_one(answers: EngineAnswers, target: str, version: str, writer: Any) -> bool:
    """Answer one request; returns whether the connection ends with it."""
    path = target.partition("?")[0]
    if path == "/events" or path.endswith("/events"):
        return await _events(answers, writer)
    body = _body(answers, path.removeprefix("/v1.41"), target)
    status = "200 OK" if body is not None else "404 Not Found"
    if not answers.is_up and not path.startswith("/corral"):
        status, body = "503 Service Unavailable", {"message": "the engine is away"}
    data = json.dumps(body if body is not None else {"message": "page not found"}).encode()
    writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data)
    return version == "HTTP/1.0"


async def _events(answers: EngineAnswers, writer: Any) -> bool:
    if not answers.is_up:
        writer.write(b"HTTP/1.0 503 Service Unavailable\r\n\r\n")
        return True
    writer.write(b"HTTP/1.0 200 OK\r\n\r\n")
    while (event := await answers.events.get()) is not None:
        writer.write(json.dumps(event).encode() + b"\n")
    return True


def _body(answers: EngineAnswers, path: str, target: str) -> Any:
    last = answers.journal[-1]["seq"] if answers.journal else 0
    after = int(target.partition("after=")[2].partition("&")[0] or 0)
    known: dict[str, Any] = {
        "/version": {"ApiVersion": "1.41", "MinAPIVersion": "1.12"},
        "/info": INFO,
        "/containers/json": answers.containers,
        "/corral/v1/machine": answers.machine,
        "/corral/v1/containers/stats": answers.stats,
        "/corral/v1/stats": answers.stream,
        "/corral/v1/hello": {"agent": "0.1.0", "clock": answers.clock(), "engine": answers.is_up, "readOnly": False},
        "/corral/v1/journal": {
            "events": [event for event in answers.journal if event["seq"] > after][:2],
            "first": answers.first,
            "last": last,
        },
    }
    return known.get(path)
