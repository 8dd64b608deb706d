"""One connection of the portal: request by request, checked and carried to the engine, each on a line of its own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from corral_agent.door import head, path, replies, rules
from corral_agent.door.flow import Reader, Sink, Source, duplex, pour, until_gone
from corral_agent.door.head import BadMessage, ReplyHead, RequestHead
from corral_agent.door.rules import Body, Rule

log = logging.getLogger("corral_agent")

_PATIENCE = 30.0  # for a head or a JSON body that has begun; an idle connection may wait for ever
_DRAIN = 1024 * 1024
_FULL_ID = re.compile(r"[0-9a-f]{64}")
_NOT_PASSED_ON = {b"connection", b"keep-alive", b"host", b"te", b"trailer", b"upgrade", b"content-length"} | {
    b"transfer-encoding"
}

Open = Callable[[], Awaitable[tuple[Source, Sink]]]
Own = Callable[[str, str, Sink], Awaitable[None]]


class Refused(Exception):
    """A request that is not let through; `str()` says why."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status


class Door:
    """What stands between the tunnel and an engine; `own` answers paths under /corral/."""

    def __init__(self, engine: Open, own: Own, *, read_only: bool = False) -> None:
        self._engine = engine
        self._own = own
        self._read_only = read_only

    async def serve(self, source: Source, sink: Sink) -> None:
        """Serve one connection until either side ends it."""
        reader = Reader(source)
        try:
            while await self._one(reader, sink):
                pass
        except BadMessage as error:
            with contextlib.suppress(OSError):
                words = "The engine's answer" if error.status == 502 else "The request"
                await replies.refuse(sink, error.status, f"{words} is not understood: {error}.")
        except (OSError, EOFError):
            log.debug("a connection of the portal broke off")
        finally:
            sink.close()

    async def _one(self, reader: Reader, sink: Sink) -> bool:
        """One request and its answer; whether another may follow."""
        data = await reader.head()
        if not data:
            return False
        asked = head.request(data)
        version, where, query = path.split(asked.target)
        try:
            if where.startswith("/corral/"):
                return await self._answer_self(asked, where, query, reader, sink)
            rule = self._decide(asked, where, query)
        except Refused as error:
            await _drain(reader, asked)
            await replies.refuse(sink, error.status, str(error))
            return False
        try:
            return await self._pass_on(asked, rule, (version, where, query), reader, sink)
        except Refused as error:
            await replies.refuse(sink, error.status, str(error))
            return False

    def _decide(self, asked: RequestHead, where: str, query: str) -> Rule:
        """The rule that allows it. Raises `Refused`."""
        rule = rules.find(asked.method, where, query, read_only=self._read_only)
        if isinstance(rule, str):
            raise Refused(403, rule)
        _check(asked, rule)
        return rule

    async def _pass_on(
        self, asked: RequestHead, rule: Rule, target: tuple[str, str, str], reader: Reader, sink: Sink
    ) -> bool:
        version, where, query = target
        body = await _body(asked, rule, reader)
        if rule.system:
            where = await self._pinned(version, where)
        line = await self._line()
        try:
            return await _carry(asked, path.join(version, where, query), body, (reader, sink), line)
        finally:
            line[1].close()

    async def _answer_self(self, asked: RequestHead, where: str, query: str, reader: Reader, sink: Sink) -> bool:
        if asked.method != "GET" or asked.length or asked.chunked or asked.upgrade:
            raise Refused(403, "This agent answers only GET here.")
        async with until_gone(reader):
            await self._own(where, query, sink)
        return not asked.old and asked.first(b"connection") != b"close"

    async def _line(self) -> tuple[Source, Sink]:
        try:
            return await self._engine()
        except OSError as error:
            raise Refused(503, f"The engine on this host cannot be reached: {error.strerror or error}.") from None

    async def _pinned(self, version: str, where: str) -> str:
        """The path with the container's full id, once its label says that it is one of Corral's own."""
        name = rules.container(where)
        source, sink = await self._line()
        try:
            sink.write(f"GET {version}/containers/{name}/json HTTP/1.0\r\nHost: engine\r\n\r\n".encode())
            await sink.drain()
            reader = Reader(source)
            seen = head.reply(await reader.head())
            found = json.loads(b"".join([piece async for piece in reader.rest()]) or b"null")
        except (ValueError, RecursionError):
            raise Refused(502, "The engine's answer is no JSON.") from None
        finally:
            sink.close()
        return where.replace(f"/{name}/", f"/{_own_id(seen.status, found)}/", 1)


def _own_id(status: int, found: Any) -> str:
    """The id in an engine's answer about one of Corral's own containers. Raises `Refused`."""
    told = found if isinstance(found, dict) else {}
    if status != 200:
        raise Refused(status, str(told.get("message") or "no such container"))
    config = told.get("Config")
    labels = config.get("Labels") if isinstance(config, dict) else None
    if not isinstance(labels, dict) or rules.SYSTEM_LABEL not in labels:
        raise Refused(403, f"This agent opens files of containers labelled {rules.SYSTEM_LABEL} only.")
    if not _FULL_ID.fullmatch(str(told.get("Id"))):
        raise Refused(502, "The engine names no id of the container.")
    return str(told["Id"])


def _check(asked: RequestHead, rule: Rule) -> None:
    """Raise unless body and upgrade are what this call may have."""
    if asked.first(b"expect"):
        raise Refused(417, "This agent takes no Expect header.")
    if (asked.upgrade or asked.first(b"upgrade")) and not (
        rule.hijack and asked.upgrade and asked.first(b"upgrade") == b"tcp" and not asked.old
    ):
        raise Refused(403, "This agent lets no connection be taken over here.")
    if rule.body is Body.NONE and (asked.length or asked.chunked):
        raise Refused(400, "This call takes no body.")
    if rule.body is Body.JSON and not asked.chunked and not asked.length:
        raise Refused(400, "This call needs a JSON body.")
    if rule.body is Body.JSON and (asked.length or 0) > rules.JSON_LIMIT:
        raise Refused(413, f"The JSON body is larger than {rules.JSON_LIMIT} bytes.")


async def _body(asked: RequestHead, rule: Rule, reader: Reader) -> AsyncIterator[bytes] | bytes:
    """The request's body: a JSON one whole and looked at, any other as it comes."""
    if rule.body is not Body.JSON:
        return reader.chunks() if asked.chunked else reader.counted(asked.length or 0)
    async with asyncio.timeout(_PATIENCE):
        data = b""
        async for piece in reader.chunks() if asked.chunked else reader.counted(asked.length or 0):
            data += piece
            if len(data) > rules.JSON_LIMIT:
                raise BadMessage(f"the JSON body is larger than {rules.JSON_LIMIT} bytes", 413)
    try:
        whole = isinstance(json.loads(data), dict)
    except (ValueError, RecursionError):
        whole = False
    if not whole:
        raise BadMessage("the body is no JSON object")
    return data


def _request_bytes(asked: RequestHead, target: str, body: AsyncIterator[bytes] | bytes) -> bytes:
    """The head as the engine gets it: our own words about connection and framing, the rest as it came."""
    fields = [(key, value) for key, value in asked.headers if key.lower() not in _NOT_PASSED_ON]
    fields.insert(0, (b"Host", b"engine"))
    if isinstance(body, bytes):
        fields.append((b"Content-Length", b"%d" % len(body)))
    elif asked.chunked:
        fields.append((b"Transfer-Encoding", b"chunked"))
    elif asked.length is not None:
        fields.append((b"Content-Length", b"%d" % asked.length))
    if asked.upgrade:
        fields += [(b"Connection", b"Upgrade"), (b"Upgrade", b"tcp")]
    line = f"{asked.method} {target} HTTP/1.{0 if asked.old else 1}".encode()
    return b"\r\n".join([line, *(b"%b: %b" % field for field in fields), b"", b""])


async def _carry(
    asked: RequestHead,
    target: str,
    body: AsyncIterator[bytes] | bytes,
    portal: tuple[Reader, Sink],
    engine: tuple[Source, Sink],
) -> bool:
    reader, sink = portal
    answers = Reader(engine[0])
    engine[1].write(_request_bytes(asked, target, body))
    if isinstance(body, bytes):
        engine[1].write(body)
        await engine[1].drain()
        sending: asyncio.Future[None] | None = None
    else:
        sending = asyncio.ensure_future(pour(body, engine[1], chunked=asked.chunked))
    try:
        return await _bring_back(asked, (reader, sink), (answers, engine[1]), sending)
    finally:
        if sending is not None:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)


async def _bring_back(
    asked: RequestHead,
    portal: tuple[Reader, Sink],
    engine: tuple[Reader, Sink],
    sending: asyncio.Future[None] | None,
) -> bool:
    """The engine's answer; whether the connection may serve another request."""
    reader, sink = portal
    async with until_gone(reader, after=sending):
        while True:
            data = await engine[0].head()
            if not data:
                raise Refused(502, "The engine ended the connection instead of answering.")
            answer = head.reply(data)
            if answer.status == 101:
                break
            if answer.status >= 200:  # what comes before it nobody asked for
                sink.write(data + b"\r\n\r\n")
                try:
                    framed = await _reply_body(asked, answer, engine[0], sink)
                except BadMessage as error:
                    raise ConnectionResetError(str(error)) from None
                done = sending is None or sending.done()
                return done and framed and not asked.old and asked.first(b"connection") != b"close"
    if not asked.upgrade:
        raise Refused(502, "The engine took over a connection that was not offered.")
    sink.write(data + b"\r\n\r\n")
    await sink.drain()
    await duplex(reader, sink, engine[0], engine[1])
    return False


async def _reply_body(asked: RequestHead, answer: ReplyHead, reader: Reader, sink: Sink) -> bool:
    """Bring the body over; False when it ended with the connection."""
    if asked.method == "HEAD" or answer.status in {204, 304}:
        await sink.drain()
        return True
    if answer.chunked:
        await pour(reader.chunks(), sink, chunked=True)
    elif answer.length is not None:
        await pour(reader.counted(answer.length), sink)
    else:
        await pour(reader.rest(), sink)
        return False
    return answer.first(b"connection") != b"close"


async def _drain(reader: Reader, asked: RequestHead) -> None:
    """Take a small rest of a refused request, so that its sender comes to read the answer."""
    with contextlib.suppress(BadMessage):
        if not asked.chunked and asked.length and asked.length <= _DRAIN:
            async for _ in reader.counted(asked.length):
                pass
