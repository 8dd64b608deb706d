"""Plain HTTP/1.0 GETs through a tunnel, for what the portal asks of an agent from inside the event loop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from apps.drivers.docker.safe_json import understood
from apps.hosts.tunnels.ssh_client import ENGINE_SOCKET

if TYPE_CHECKING:
    from asyncssh import SSHClientConnection

TIMEOUT = 15.0
_MAX_BODY = 16 * 1024 * 1024
_MAX_HEAD = 64 * 1024


class AgentResponseError(Exception):
    """The agent did not answer as agreed; `str()` says how."""


class AgentResponse:
    """One answer's body, to be read to its end."""

    def __init__(self, reader: Any, writer: Any, rest: bytes) -> None:
        self._reader, self._writer, self._rest = reader, writer, rest

    async def json(self) -> Any:
        """The whole body as JSON."""
        body = bytearray(self._rest)
        async with asyncio.timeout(TIMEOUT):
            while chunk := await self._reader.read(65536):
                body += chunk
                if len(body) > _MAX_BODY:
                    raise AgentResponseError("The agent's answer is too long.")
        try:
            return understood(bytes(body))
        except ValueError:
            raise AgentResponseError("The agent's answer is no JSON.") from None

    async def json_lines(self) -> AsyncIterator[dict[str, Any]]:
        """JSON objects as they come, one a line, until the connection ends."""
        pending = self._rest
        while True:
            *lines, pending = pending.split(b"\n")
            for line in lines:
                with contextlib.suppress(ValueError):
                    found = understood(line)
                    if isinstance(found, dict):
                        yield found
            chunk = await self._reader.read(65536)
            if not chunk or len(pending) > _MAX_BODY:
                return
            pending += chunk

    def close(self) -> None:
        """Let the channel go."""
        self._writer.close()


async def get(connection: SSHClientConnection, path: str) -> AgentResponse:
    """Ask for `path`; raises `AgentResponseError` for anything but success, `TimeoutError`, `asyncssh.Error`."""
    async with asyncio.timeout(TIMEOUT):
        reader, writer = await connection.open_unix_connection(ENGINE_SOCKET, encoding=None)
        try:
            writer.write(f"GET {path} HTTP/1.0\r\nHost: engine\r\nUser-Agent: corral\r\n\r\n".encode())
            return AgentResponse(reader, writer, await _read_head(reader, path.partition("?")[0]))
        except BaseException:
            writer.close()
            raise


async def _read_head(reader: Any, path: str) -> bytes:
    """Read up to the body; what of it has come already."""
    head = b""
    while b"\r\n\r\n" not in head:
        chunk = await reader.read(65536)
        head += chunk
        if not chunk or len(head) > _MAX_HEAD:
            raise AgentResponseError(f"The agent closed the connection instead of answering {path}.")
    top, rest = head.split(b"\r\n\r\n", 1)
    words = top.split(b"\r\n", 1)[0].split()
    if len(words) < 2 or words[1] != b"200":
        raise AgentResponseError(f"The agent answered {path} with {b' '.join(words[1:3]).decode('latin1')}.")
    return bytes(rest)


async def get_json(connection: SSHClientConnection, path: str) -> dict[str, Any]:
    """The JSON object at `path`; raises as `get`."""
    response = await get(connection, path)
    try:
        found = await response.json()
    finally:
        response.close()
    if not isinstance(found, dict):
        raise AgentResponseError("The agent's answer is no JSON object.")
    return found
