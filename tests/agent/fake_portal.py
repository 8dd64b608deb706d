"""A portal as small as an agent needs it: registration over HTTP, and the client's end of the tunnel."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import socket
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any

import asyncssh
from websockets.asyncio.server import Server, ServerConnection, serve

SOCKET = "/var/run/docker.sock"


def public_key_text(key: asyncssh.SSHKey) -> str:
    return key.export_public_key().decode().strip()


class FakePortal:
    """`registrations` are the bodies it got, `tunnels` the SSH connections, newest last; the rest are knobs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.key = asyncssh.generate_private_key("ssh-ed25519")
        self.client_key = self.key  # what it logs in with
        self.answered_key = public_key_text(self.key)  # what it says in the answer
        self.registrations: list[dict[str, Any]] = []
        self.credentials: dict[str, tuple[str, str]] = {}  # access key -> (secret, agent's public key)
        self.tunnels: list[asyncssh.SSHClientConnection] = []
        self.dial_requests: list[dict[str, str]] = []
        self.token = "t0ken:1:abc"
        self.status = 0  # answer every request to the API with this
        self.answer: Callable[[dict[str, Any]], dict[str, Any]] = lambda found: found
        self.revoked: set[str] = set()
        self.open_websockets: list[ServerConnection] = []
        self.websocket_by_tunnel: dict[asyncssh.SSHClientConnection, ServerConnection] = {}
        self.answered = 0  # how often the API was asked
        self.changed = asyncio.Event()
        self._servers: list[Any] = []
        self.base = self.tunnel_url = ""

    async def __aenter__(self) -> FakePortal:
        self._api = await asyncio.start_server(self._http, "127.0.0.1", 0)
        self.base = f"http://127.0.0.1:{self._api.sockets[0].getsockname()[1]}/v1"
        await self.open_tunnels()
        return self

    async def open_tunnels(self, port: int = 0) -> None:
        self._tunnel_server: Server = await serve(self._tunnel, "127.0.0.1", port, compression=None, max_size=None)
        self.port = next(iter(self._tunnel_server.sockets)).getsockname()[1]
        self.tunnel_url = f"ws://127.0.0.1:{self.port}/v1/agent"

    async def close_tunnels(self, code: int = 1001) -> None:
        for websocket in self.open_websockets:
            await websocket.close(code)
        self._tunnel_server.close()
        await self._tunnel_server.wait_closed()

    async def __aexit__(self, *_: object) -> None:
        for tunnel in self.tunnels:
            tunnel.abort()
        await self.close_tunnels()
        self._api.close()
        await self._api.wait_closed()

    @property
    def url(self) -> str:
        return f"{self.base}/scripts/{self.token}"

    async def until(self, condition: Callable[[], Any], seconds: float = 60.0) -> Any:
        async with asyncio.timeout(seconds):
            while not (found := condition()):
                self.changed.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self.changed.wait(), 0.05)
        return found

    async def _http(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        fields = {k.lower(): v.strip() for k, _, v in (row.partition(":") for row in head.split("\r\n")[1:])}
        body = await reader.readexactly(int(fields.get("content-length", 0)))
        method, path = head.split()[:2]
        self.answered += 1
        status, text = self._respond(method, path, fields, body)
        extra = "Location: http://127.0.0.1:9/stolen\r\n" if 300 <= status < 400 else ""
        writer.write(
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n{extra}Content-Length: {len(text)}\r\n"
            f"Connection: close\r\n\r\n{text}".encode()
        )
        await writer.drain()
        writer.close()
        self.changed.set()

    def _respond(self, method: str, path: str, fields: dict[str, str], body: bytes) -> tuple[int, str]:
        if self.status:
            return self.status, '{"message": "as told"}'
        if method == "GET" and path == f"/v1/scripts/{self.token}":
            return 200, f'#!/bin/sh\nCATTLE_URL="{self.base}"\nexport CORRAL_PORTAL_KEY="{public_key_text(self.key)}"\n'
        pair = base64.b64encode(f"registrationToken:{self.token}".encode()).decode()
        if method == "POST" and path == "/v1/registers" and fields.get("authorization") == f"Basic {pair}":
            return 201, json.dumps(self.answer(self._register(json.loads(body))))
        return (404 if method == "GET" else 401), '{"message": "no"}'

    def _register(self, body: dict[str, Any]) -> dict[str, Any]:
        self.registrations.append(body)
        access, secret = f"A{len(self.registrations)}", f"secret-{len(self.registrations)}"
        self.credentials[access] = (secret, body["publicKey"])
        return {
            "type": "register",
            "key": body["key"],
            "state": "active",
            "accessKey": access,
            "secretKey": secret,
            "portalKey": self.answered_key,
            "hostId": f"1h{len(self.registrations)}",
            "tunnelUrl": self.tunnel_url,
        }

    async def _tunnel(self, websocket: ServerConnection) -> None:
        assert websocket.request is not None
        fields = {key.lower(): value for key, value in websocket.request.headers.raw_items()}
        self.dial_requests.append({**fields, "path": websocket.request.path})
        access, _, secret = base64.b64decode(fields["authorization"].split()[1]).decode().partition(":")
        if access in self.revoked or self.credentials.get(access, ("", ""))[0] != secret:
            await websocket.close(4401, "no such credential")
            return
        self.open_websockets.append(websocket)
        with contextlib.suppress(Exception):
            await self._speak(websocket, self.credentials[access][1])

    async def _speak(self, websocket: ServerConnection, agent_key: str) -> None:
        ours, theirs = socket.socketpair()
        reader, writer = await asyncio.open_connection(sock=ours)

        async def up() -> None:
            while piece := await reader.read(65536):
                await websocket.send(piece)

        async def down() -> None:
            try:
                async for piece in websocket:
                    writer.write(piece if isinstance(piece, bytes) else piece.encode())
                    await writer.drain()
            finally:  # also of a line that broke, or who logs in would wait for ever
                writer.close()

        copy_tasks = [asyncio.ensure_future(up()), asyncio.ensure_future(down())]
        try:
            tunnel = await asyncssh.run_client(theirs, **self._ssh(agent_key))
            self.tunnels.append(tunnel)
            self.websocket_by_tunnel[tunnel] = websocket
            self.changed.set()
            await asyncio.wait(copy_tasks, return_when=asyncio.FIRST_COMPLETED)
            await websocket.close()
        finally:
            for each in copy_tasks:
                each.cancel()
            writer.close()
            self.changed.set()

    def _ssh(self, agent_key: str) -> dict[str, Any]:
        return {
            "host": "agent",
            "username": "corral",
            "config": None,
            "agent_path": None,
            "client_keys": [self.client_key],
            "known_hosts": ([asyncssh.import_public_key(agent_key)], [], []),
            "encryption_algs": ["aes128-gcm@openssh.com"],
            "compression_algs": None,
            "keepalive_interval": 5,
        }

    async def tunnel(self, number: int = 1) -> asyncssh.SSHClientConnection:
        """The tunnel that was made as the `number`-th."""
        await self.until(lambda: len(self.tunnels) >= number)
        return self.tunnels[number - 1]

    async def websocket(self, number: int = 1) -> ServerConnection:
        """The WebSocket under that tunnel; failed dials have one too."""
        return self.websocket_by_tunnel[await self.tunnel(number)]

    async def forwarded(self, number: int = 1) -> str:
        """A unix socket that leads through the tunnel to the agent's proxy."""
        path = str(self.folder / f"host{number}.sock")
        await (await self.tunnel(number)).forward_local_path(path, SOCKET)
        return path
