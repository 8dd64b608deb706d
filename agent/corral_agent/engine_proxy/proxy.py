"""One connection of the portal: every request is checked and forwarded on an engine connection of its own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from corral_agent.engine_proxy import (
    http_head,
    path,
    responses,
    rules,
)
from corral_agent.engine_proxy.http_head import BadMessage, RequestHead, ResponseHead
from corral_agent.engine_proxy.rules import Body, Rule
from corral_agent.engine_proxy.streams import (
    MessageReader,
    Sink,
    Source,
    cancel_on_disconnect,
    duplex,
    forward,
)

log = logging.getLogger("corral_agent")

_BODY_TIMEOUT = 30.0  # for a head or a JSON body that has begun; an idle connection may wait for ever
_FORMS = (b"application/x-www-form-urlencoded", b"multipart/")
_MAX_DRAIN = 1024 * 1024
_FULL_ID = re.compile(r"[0-9a-f]{64}")
_DOCUMENT = Rule(frozenset({"PUT"}), re.compile("/corral/v1/(?:checks|documents/[a-z]{1,32})"), Body.JSON)
_HOP_BY_HOP = {b"connection", b"keep-alive", b"host", b"te", b"trailer", b"upgrade", b"content-length"} | {
    b"transfer-encoding"
}

OpenEngine = Callable[[], Awaitable[tuple[Source, Sink]]]
AgentApiHandler = Callable[[str, str, Sink], Awaitable[None]]
DocumentHandler = Callable[[str, object, Sink], Awaitable[None]]


class RequestRefused(Exception):
    """A request that is not let through; `str()` says why."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class EngineProxy:
    """Stands between the tunnel and an engine; `agent_api` answers paths under /corral/, `documents` takes PUTs."""

    def __init__(
        self,
        engine: OpenEngine,
        agent_api: AgentApiHandler,
        documents: DocumentHandler | None = None,
        *,
        read_only: bool = False,
        passes_engine: bool = True,
    ) -> None:
        self._engine, self._passes_engine = engine, passes_engine
        self._agent_api, self._documents = agent_api, documents
        self._read_only = read_only

    async def serve(self, source: Source, sink: Sink) -> None:
        """Serve one connection until either side ends it."""
        reader = MessageReader(source)
        try:
            while await self._serve_one(reader, sink):
                pass
        except BadMessage as error:
            with contextlib.suppress(OSError):
                message = "The engine's answer" if error.status == 502 else "The request"
                await responses.send_refusal(sink, error.status, f"{message} is not understood: {error}.")
        except (OSError, EOFError):
            log.debug("a connection of the portal was lost")
        finally:
            sink.close()

    async def _serve_one(self, reader: MessageReader, sink: Sink) -> bool:
        """One request and its answer; whether another may follow."""
        data = await reader.head()
        if not data:
            return False
        request = http_head.parse_request(data)
        version, url_path, query = path.split_target(request.target)
        try:
            if url_path.startswith("/corral/"):
                return await self._answer_agent_api(request, url_path, query, reader, sink)
            rule = self._authorize(request, url_path, query)
        except RequestRefused as error:
            await _drain(reader, request)
            await responses.send_refusal(sink, error.status, str(error))
            return False
        try:
            return await self._forward(request, rule, (version, url_path, query), reader, sink)
        except RequestRefused as error:
            await responses.send_refusal(sink, error.status, str(error))
            return False

    def _authorize(self, request: RequestHead, url_path: str, query: str) -> Rule:
        """The rule that allows it. Raises `RequestRefused`."""
        if not self._passes_engine:
            raise RequestRefused(403, "A system container passes nothing on to the engine.")
        rule = rules.find_rule(request.method, url_path, query, read_only=self._read_only)
        if isinstance(rule, str):
            raise RequestRefused(403, rule)
        _check_request(request, rule)
        return rule

    async def _forward(
        self, request: RequestHead, rule: Rule, target: tuple[str, str, str], reader: MessageReader, sink: Sink
    ) -> bool:
        version, url_path, query = target
        body = await _request_body(request, rule, reader)
        if rule.system:
            url_path = await self._resolve_system_container(version, url_path)
        line = await self._connect_engine()
        try:
            return await _exchange(request, path.join_target(version, url_path, query), body, (reader, sink), line)
        finally:
            line[1].close()

    async def _answer_agent_api(
        self, request: RequestHead, url_path: str, query: str, reader: MessageReader, sink: Sink
    ) -> bool:
        if request.method == "PUT" and self._documents is not None and not self._read_only:
            _check_request(request, _DOCUMENT)
            body = await _request_body(request, _DOCUMENT, reader)
            await self._documents(url_path, json.loads(body if isinstance(body, bytes) else b""), sink)
            return not request.is_http10 and request.first(b"connection") != b"close"
        if request.method != "GET" or request.length or request.chunked or request.upgrade:
            raise RequestRefused(403, "This agent answers only GET here.")
        async with cancel_on_disconnect(reader):
            await self._agent_api(url_path, query, sink)
        return not request.is_http10 and request.first(b"connection") != b"close"

    async def _connect_engine(self) -> tuple[Source, Sink]:
        try:
            return await self._engine()
        except OSError as error:
            raise RequestRefused(
                503, f"The engine on this host cannot be reached: {error.strerror or error}."
            ) from None

    async def _resolve_system_container(self, version: str, url_path: str) -> str:
        """The path with the container's full id, once its label proves that it is one of Corral's own."""
        name = rules.container_in_path(url_path)
        source, sink = await self._connect_engine()
        try:
            sink.write(f"GET {version}/containers/{name}/json HTTP/1.0\r\nHost: engine\r\n\r\n".encode())
            await sink.drain()
            reader = MessageReader(source)
            response = http_head.parse_response(await reader.head())
            found = json.loads(b"".join([piece async for piece in reader.read_to_end()]) or b"null")
        except (ValueError, RecursionError):
            raise RequestRefused(502, "The engine's answer is not JSON.") from None
        finally:
            sink.close()
        return url_path.replace(f"/{name}/", f"/{_system_container_id(response.status, found)}/", 1)


def _system_container_id(status: int, found: Any) -> str:
    """The id in an engine's answer about one of Corral's own containers. Raises `RequestRefused`."""
    details = found if isinstance(found, dict) else {}
    if status != 200:
        raise RequestRefused(status, str(details.get("message") or "no such container"))
    config = details.get("Config")
    labels = config.get("Labels") if isinstance(config, dict) else None
    if not isinstance(labels, dict) or rules.SYSTEM_LABEL not in labels:
        raise RequestRefused(403, f"This agent opens files of containers labelled {rules.SYSTEM_LABEL} only.")
    if not _FULL_ID.fullmatch(str(details.get("Id"))):
        raise RequestRefused(502, "The engine's answer has no container id.")
    return str(details["Id"])


def _check_request(request: RequestHead, rule: Rule) -> None:
    """Raise unless body and upgrade are what this call may have."""
    # Engines take a form's fields for those of the query, which is what the rules have read.
    kinds = [value.lower().lstrip() for key, value in request.headers if key.lower() == b"content-type"]
    if any(kind.startswith(_FORMS) for kind in kinds):
        raise RequestRefused(415, "This agent takes no forms.")
    if request.first(b"expect"):
        raise RequestRefused(417, "This agent takes no Expect header.")
    if (request.upgrade or request.first(b"upgrade")) and not (
        rule.hijack and request.upgrade and request.first(b"upgrade") == b"tcp" and not request.is_http10
    ):
        raise RequestRefused(403, "This agent lets no connection be taken over here.")
    if rule.body is Body.NONE and (request.length or request.chunked):
        raise RequestRefused(400, "This call takes no body.")
    if rule.body is Body.JSON and not request.chunked and not request.length:
        raise RequestRefused(400, "This call needs a JSON body.")
    if rule.body is Body.JSON and (request.length or 0) > rules.JSON_LIMIT:
        raise RequestRefused(413, f"The JSON body is larger than {rules.JSON_LIMIT} bytes.")


async def _request_body(request: RequestHead, rule: Rule, reader: MessageReader) -> AsyncIterator[bytes] | bytes:
    """The request's body: JSON is read whole and checked, anything else is streamed."""
    if rule.body is not Body.JSON:
        return reader.read_chunked() if request.chunked else reader.read_exactly(request.length or 0)
    async with asyncio.timeout(_BODY_TIMEOUT):
        data = b""
        async for piece in reader.read_chunked() if request.chunked else reader.read_exactly(request.length or 0):
            data += piece
            if len(data) > rules.JSON_LIMIT:
                raise BadMessage(f"the JSON body is larger than {rules.JSON_LIMIT} bytes", 413)
    try:
        is_object = isinstance(json.loads(data), dict)
    except (ValueError, RecursionError):
        is_object = False
    if not is_object:
        raise BadMessage("the body is not a JSON object")
    return data


def _request_bytes(request: RequestHead, target: str, body: AsyncIterator[bytes] | bytes) -> bytes:
    """The head as the engine gets it: connection and framing are rewritten, the rest is as it came."""
    fields = [(key, value) for key, value in request.headers if key.lower() not in _HOP_BY_HOP]
    fields.insert(0, (b"Host", b"engine"))
    if isinstance(body, bytes):
        fields.append((b"Content-Length", b"%d" % len(body)))
    elif request.chunked:
        fields.append((b"Transfer-Encoding", b"chunked"))
    elif request.length is not None:
        fields.append((b"Content-Length", b"%d" % request.length))
    if request.upgrade:
        fields += [(b"Connection", b"Upgrade"), (b"Upgrade", b"tcp")]
    line = f"{request.method} {target} HTTP/1.{0 if request.is_http10 else 1}".encode()
    return b"\r\n".join([line, *(b"%b: %b" % field for field in fields), b"", b""])


async def _exchange(
    request: RequestHead,
    target: str,
    body: AsyncIterator[bytes] | bytes,
    portal: tuple[MessageReader, Sink],
    engine: tuple[Source, Sink],
) -> bool:
    reader, sink = portal
    engine_reader = MessageReader(engine[0])
    engine[1].write(_request_bytes(request, target, body))
    if isinstance(body, bytes):
        engine[1].write(body)
        await engine[1].drain()
        sending: asyncio.Future[None] | None = None
    else:
        sending = asyncio.ensure_future(forward(body, engine[1], chunked=request.chunked))
    try:
        return await _forward_response(request, (reader, sink), (engine_reader, engine[1]), sending)
    finally:
        if sending is not None:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)


async def _forward_response(
    request: RequestHead,
    portal: tuple[MessageReader, Sink],
    engine: tuple[MessageReader, Sink],
    sending: asyncio.Future[None] | None,
) -> bool:
    """The engine's answer; whether the connection may serve another request."""
    reader, sink = portal
    async with cancel_on_disconnect(reader, after=sending):
        while True:
            data = await engine[0].head()
            if not data:
                raise RequestRefused(502, "The engine ended the connection instead of answering.")
            response = http_head.parse_response(data)
            if response.status == 101:
                break
            if response.status >= 200:  # informational ones are not passed on
                sink.write(data + b"\r\n\r\n")
                try:
                    is_framed = await _forward_body(request, response, engine[0], sink)
                except BadMessage as error:
                    raise ConnectionResetError(str(error)) from None
                done = sending is None or sending.done()
                return done and is_framed and not request.is_http10 and request.first(b"connection") != b"close"
    if not request.upgrade:
        raise RequestRefused(502, "The engine took over a connection that was not offered.")
    sink.write(data + b"\r\n\r\n")
    await sink.drain()
    await duplex(reader, sink, engine[0], engine[1])
    return False


async def _forward_body(request: RequestHead, response: ResponseHead, reader: MessageReader, sink: Sink) -> bool:
    """Forward the body; False when it ended with the connection."""
    if request.method == "HEAD" or response.status in {204, 304}:
        await sink.drain()
        return True
    if response.chunked:
        await forward(reader.read_chunked(), sink, chunked=True)
    elif response.length is not None:
        await forward(reader.read_exactly(response.length), sink)
    else:
        await forward(reader.read_to_end(), sink)
        return False
    return response.first(b"connection") != b"close"


async def _drain(reader: MessageReader, request: RequestHead) -> None:
    """Read what is left of a small refused request, or its sender would never get to read the answer."""
    with contextlib.suppress(BadMessage):
        if not request.chunked and request.length and request.length <= _MAX_DRAIN:
            async for _ in reader.read_exactly(request.length):
                pass
