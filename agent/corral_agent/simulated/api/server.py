"""HTTP in front of a simulated engine: one connection, request by request."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import re
from http import HTTPStatus
from urllib.parse import parse_qsl

from corral_agent.engine_proxy import http_head, path
from corral_agent.engine_proxy.http_head import BadMessage, RequestHead
from corral_agent.engine_proxy.streams import (
    MessageReader,
    Sink,
    Source,
    cancel_on_disconnect,
    forward,
)
from corral_agent.simulated.api import (
    containers,
    engine,
    images,
    networks,
    volumes,
)
from corral_agent.simulated.api.attached_exec import AttachedExec
from corral_agent.simulated.api.messages import Handler, SimulatedRequest, SimulatedResponse
from simulated_engine.engine import EngineCore
from simulated_engine.errors import EngineApiError, not_found

_ROUTE_TABLES = (engine.ROUTES, containers.ROUTES, images.ROUTES, networks.ROUTES, volumes.ROUTES)
_ROUTES = [
    (set(methods.split("|")), re.compile(text), handler)
    for methods, text, handler in itertools.chain.from_iterable(_ROUTE_TABLES)
]
_HANDLER_ERRORS = (ValueError, KeyError, TypeError, AttributeError)


async def serve(engine: EngineCore, source: Source, sink: Sink) -> None:
    """Answer until the peer ends the connection."""
    reader = MessageReader(source)
    try:
        while await _serve_one(engine, reader, sink):
            pass
    except (OSError, BadMessage):
        pass
    finally:
        sink.close()


async def _serve_one(engine: EngineCore, reader: MessageReader, sink: Sink) -> bool:
    data = await reader.head()
    if not data:
        return False
    request = http_head.parse_request(data)
    body = reader.read_chunked() if request.chunked else reader.read_exactly(request.length or 0)
    try:
        reply = await _handle(engine, request, body)
        async for _ in body:  # what the handler left unread would be taken for the next request
            pass
        if reply.session is not None:
            await _take_over(request, reply.session, reader, sink)
            return False
        async with cancel_on_disconnect(reader):
            return await _send(request, reply, sink)
    except EngineApiError as error:
        await _send(request, SimulatedResponse({"message": str(error)}, error.status), sink)
        return False


async def _handle(engine: EngineCore, request: RequestHead, body: object) -> SimulatedResponse:
    _, url_path, query = path.split_target(request.target)
    handler, keys = _route(request.method, url_path)
    found = dict(parse_qsl(query, keep_blank_values=True))
    try:
        return await handler(SimulatedRequest(engine, keys, found, body))  # type: ignore[arg-type]  # both kinds iterate
    except _HANDLER_ERRORS as error:
        raise EngineApiError(400, f"invalid request: {error}") from None


def _route(method: str, url_path: str) -> tuple[Handler, tuple[str, ...]]:
    for methods, pattern, handler in _ROUTES:
        if method in methods and (found := pattern.fullmatch(url_path)):
            return handler, found.groups()
    raise not_found("page not found")


def _encode_head(request: RequestHead, status: int, *fields: str) -> bytes:
    keep = "close" if request.is_http10 else "keep-alive"
    words = [
        f"HTTP/1.{0 if request.is_http10 else 1} {status} {HTTPStatus(status).phrase}",
        "Server: Docker/20.10.24 (sim)",
    ]
    return "\r\n".join([*words, f"Connection: {keep}", *fields, "", ""]).encode()


async def _send(request: RequestHead, reply: SimulatedResponse, sink: Sink) -> bool:
    if reply.pieces is not None:
        chunked = [] if request.is_http10 else ["Transfer-Encoding: chunked"]
        sink.write(_encode_head(request, reply.status, f"Content-Type: {reply.kind}", *chunked))
        async with contextlib.aclosing(reply.pieces) as pieces:  # type: ignore[type-var]  # they are generators
            await forward(pieces, sink, chunked=not request.is_http10)
        return not request.is_http10
    data = b"" if reply.body is None else _encode_body(reply)
    fields = [] if reply.status in {204, 304} else [f"Content-Type: {reply.kind}", f"Content-Length: {len(data)}"]
    sink.write(
        _encode_head(request, reply.status, *fields, *reply.headers) + (b"" if request.method == "HEAD" else data)
    )
    await sink.drain()
    return not request.is_http10


def _encode_body(reply: SimulatedResponse) -> bytes:
    if isinstance(reply.body, str):
        return reply.body.encode()
    return json.dumps(reply.body, separators=(",", ":")).encode() + b"\n"


async def _take_over(request: RequestHead, session: AttachedExec, reader: MessageReader, sink: Sink) -> None:
    """The connection is the command's from now on."""
    status, *fields = (101, "Upgrade: tcp") if request.upgrade else (200,)
    first = _encode_head(request, int(status), "Content-Type: application/vnd.docker.raw-stream", *map(str, fields))
    sink.write(first.replace(b"Connection: keep-alive", b"Connection: Upgrade"))
    typing = asyncio.ensure_future(_forward_input(session, reader))
    try:
        while piece := await session.output.get():
            sink.write(piece)
            await sink.drain()
            session.input_slots.release()
    finally:
        typing.cancel()
        await asyncio.gather(typing, return_exceptions=True)


async def _forward_input(session: AttachedExec, reader: MessageReader) -> None:
    while piece := await reader.read_some():
        await session.input_slots.acquire()
        session.write(piece)
    session.end_input()
