"""HTTP in front of a simulated engine: one connection, request by request."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import re
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from corral_agent.door import head, path
from corral_agent.door.flow import Reader, Sink, Source, pour, until_gone
from corral_agent.door.head import BadMessage, RequestHead
from corral_agent.sim import on_containers, on_engine, on_images, on_networks
from corral_agent.sim.call import Call, Handler, Reply
from corral_agent.sim.refusals import Refusal, missing
from corral_agent.sim.shell import Exec

if TYPE_CHECKING:
    from corral_agent.sim.engine import SimEngine

_TABLES = (on_engine.ROUTES, on_containers.ROUTES, on_images.ROUTES, on_networks.ROUTES)
_ROUTES = [
    (set(methods.split("|")), re.compile(text), handler)
    for methods, text, handler in itertools.chain.from_iterable(_TABLES)
]
_BROKEN = (ValueError, KeyError, TypeError, AttributeError)


async def serve(engine: SimEngine, source: Source, sink: Sink) -> None:
    """Answer until the peer ends the connection."""
    reader = Reader(source)
    try:
        while await _one(engine, reader, sink):
            pass
    except (OSError, BadMessage):
        pass
    finally:
        sink.close()


async def _one(engine: SimEngine, reader: Reader, sink: Sink) -> bool:
    data = await reader.head()
    if not data:
        return False
    asked = head.request(data)
    body = reader.chunks() if asked.chunked else reader.counted(asked.length or 0)
    try:
        reply = await _answer(engine, asked, body)
        async for _ in body:  # what the handler did not want
            pass
        if reply.session is not None:
            await _take_over(asked, reply.session, reader, sink)
            return False
        async with until_gone(reader):
            return await _send(asked, reply, sink)
    except Refusal as error:
        await _send(asked, Reply({"message": str(error)}, error.status), sink)
        return False


async def _answer(engine: SimEngine, asked: RequestHead, body: object) -> Reply:
    _, where, query = path.split(asked.target)
    handler, keys = _route(asked.method, where)
    found = dict(parse_qsl(query, keep_blank_values=True))
    try:
        return await handler(Call(engine, keys, found, body))  # type: ignore[arg-type]  # both kinds iterate
    except _BROKEN as error:
        raise Refusal(400, f"invalid request: {error}") from None


def _route(method: str, where: str) -> tuple[Handler, tuple[str, ...]]:
    for methods, pattern, handler in _ROUTES:
        if method in methods and (found := pattern.fullmatch(where)):
            return handler, found.groups()
    raise missing("page not found")


def _first(asked: RequestHead, status: int, *fields: str) -> bytes:
    keep = "close" if asked.old else "keep-alive"
    words = [f"HTTP/1.{0 if asked.old else 1} {status} {HTTPStatus(status).phrase}", "Server: Docker/20.10.24 (sim)"]
    return "\r\n".join([*words, f"Connection: {keep}", *fields, "", ""]).encode()


async def _send(asked: RequestHead, reply: Reply, sink: Sink) -> bool:
    if reply.pieces is not None:
        chunked = [] if asked.old else ["Transfer-Encoding: chunked"]
        sink.write(_first(asked, reply.status, f"Content-Type: {reply.kind}", *chunked))
        async with contextlib.aclosing(reply.pieces) as pieces:  # type: ignore[type-var]  # they are generators
            await pour(pieces, sink, chunked=not asked.old)
        return not asked.old
    data = b"" if reply.body is None else _data(reply)
    fields = [] if reply.status in {204, 304} else [f"Content-Type: {reply.kind}", f"Content-Length: {len(data)}"]
    sink.write(_first(asked, reply.status, *fields, *reply.headers) + (b"" if asked.method == "HEAD" else data))
    await sink.drain()
    return not asked.old


def _data(reply: Reply) -> bytes:
    if isinstance(reply.body, str):
        return reply.body.encode()
    return json.dumps(reply.body, separators=(",", ":")).encode() + b"\n"


async def _take_over(asked: RequestHead, session: Exec, reader: Reader, sink: Sink) -> None:
    """The connection is the command's from now on."""
    status, *fields = (101, "Upgrade: tcp") if asked.upgrade else (200,)
    first = _first(asked, int(status), "Content-Type: application/vnd.docker.raw-stream", *map(str, fields))
    sink.write(first.replace(b"Connection: keep-alive", b"Connection: Upgrade"))
    typing = asyncio.ensure_future(_type(session, reader))
    living = asyncio.ensure_future(_live(session))
    try:
        while piece := await session.output.get():
            sink.write(piece)
            await sink.drain()
            session.room.release()
    finally:
        for task in (typing, living):
            task.cancel()
        await asyncio.gather(typing, living, return_exceptions=True)


async def _type(session: Exec, reader: Reader) -> None:
    while piece := await reader.some():
        await session.room.acquire()
        session.write(piece)


async def _live(session: Exec) -> None:
    """A command ends with its container."""
    while session.box.running:
        await session.box.news.wait()
    session.end(137)
