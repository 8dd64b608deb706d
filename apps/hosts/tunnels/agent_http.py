"""Plain HTTP/1.0 through a tunnel, for what the portal asks of an agent, or tells it, from inside the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from apps.core import read_budgets
from apps.core.read_budgets import OverBudget, ReadMeter, format_size
from apps.drivers.docker.http_message import HEAD_LIMIT, encode_request, split_head
from apps.drivers.docker.safe_json import parse_json
from apps.hosts.tunnels.ssh_client import ENGINE_SOCKET

if TYPE_CHECKING:
    from asyncssh import SSHClientConnection

_CALL = read_budgets.AGENT_CALL
TIMEOUT = _CALL.seconds


class AgentResponseError(Exception):
    """The agent's response was not a valid one; `str()` says what was wrong."""


class AgentResponse:
    """The body of one response, to be read to its end."""

    def __init__(self, reader: Any, writer: Any, rest: bytes) -> None:
        self._reader, self._writer, self._rest = reader, writer, rest

    async def json(self) -> Any:
        """The whole body as JSON."""
        body, meter = bytearray(self._rest), ReadMeter(_CALL)
        try:
            async with asyncio.timeout(TIMEOUT):
                while chunk := await self._reader.read(65536):
                    meter.count(len(chunk))
                    body += chunk
        except OverBudget as error:
            raise AgentResponseError(f"The agent {error}") from None
        try:
            return parse_json(bytes(body))
        except ValueError:
            raise AgentResponseError("The agent's answer is no JSON.") from None

    async def json_lines(self) -> AsyncGenerator[dict[str, Any]]:
        """JSON objects as they come, one a line, until the connection ends. Raises for a line that is too long."""
        pending = self._rest
        while True:
            *lines, pending = pending.split(b"\n")
            for line in lines:
                with contextlib.suppress(ValueError):
                    found = parse_json(line)
                    if isinstance(found, dict):
                        yield found
            chunk = await self._reader.read(65536)
            if len(pending) > read_budgets.MAX_LINE_BYTES:
                limit = format_size(read_budgets.MAX_LINE_BYTES)
                raise AgentResponseError(f"The agent sent a line of more than {limit}.")
            if not chunk:
                return
            pending += chunk

    def close(self) -> None:
        """Close the channel."""
        self._writer.close()


async def get(connection: SSHClientConnection, path: str) -> AgentResponse:
    """Request `path`; raises as `_request`."""
    return await _request(connection, path, encode_request("GET", path))


async def put_json(connection: SSHClientConnection, path: str, document: dict[str, Any]) -> dict[str, Any]:
    """Put a document at `path`, and return the JSON object of the answer; raises as `_request`."""
    body = json.dumps(document, separators=(",", ":")).encode()
    head = {"Content-Type": "application/json", "Content-Length": str(len(body))}
    return await _json_object(await _request(connection, path, encode_request("PUT", path, head, body=body)))


async def _request(connection: SSHClientConnection, path: str, message: bytes) -> AgentResponse:
    """Send a message about `path`; raises `AgentResponseError` unless it succeeds, `TimeoutError`, `asyncssh.Error`."""
    async with asyncio.timeout(TIMEOUT):
        reader, writer = await connection.open_unix_connection(ENGINE_SOCKET, encoding=None)
        try:
            writer.write(message)
            return AgentResponse(reader, writer, await _read_head(reader, path.partition("?")[0]))
        except BaseException:
            writer.close()
            raise


async def _read_head(reader: Any, path: str) -> bytes:
    """Read up to the body; what has already arrived of it."""
    received = b""
    while (found := split_head(received)) is None:
        chunk = await reader.read(65536)
        received += chunk
        if not chunk or len(received) > HEAD_LIMIT:
            raise AgentResponseError(f"The agent closed the connection instead of answering {path}.")
    head, rest = found
    if head.status != HTTPStatus.OK:
        raise AgentResponseError(f"The agent answered {path} with {head.status_text}.")
    return rest


async def get_json(connection: SSHClientConnection, path: str) -> dict[str, Any]:
    """The JSON object at `path`; raises as `get`."""
    return await _json_object(await get(connection, path))


async def _json_object(response: AgentResponse) -> dict[str, Any]:
    try:
        found = await response.json()
    finally:
        response.close()
    if not isinstance(found, dict):
        raise AgentResponseError("The agent's answer is no JSON object.")
    return found
