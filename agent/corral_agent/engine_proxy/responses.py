"""Answers of the agent itself, in the engine's format."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

from corral_agent.engine_proxy.streams import Sink


def encode_head(status: int, *fields: str) -> bytes:
    """Status line and header fields with the blank line."""
    known = status in HTTPStatus.__members__.values()  # an engine may answer with any status
    line = f"HTTP/1.1 {status} {HTTPStatus(status).phrase if known else 'Refused'}"
    return "\r\n".join([line, *fields, "", ""]).encode()


async def send_json(sink: Sink, status: int, payload: Any, *, close: bool = False) -> None:
    """One JSON answer."""
    body = json.dumps(payload, separators=(",", ":")).encode() + b"\n"
    fields = ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    sink.write(encode_head(status, *fields, *(["Connection: close"] if close else [])) + body)
    await sink.drain()


async def send_refusal(sink: Sink, status: int, message: str) -> None:
    """A refusal with its reason. It closes the connection, so that nothing behind it is taken for a request."""
    await send_json(sink, status, {"message": message}, close=True)
