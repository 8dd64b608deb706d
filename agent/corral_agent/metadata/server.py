"""The HTTP server that containers reach at 169.254.169.250, and the handler of the document that it answers from.

Its clients are other people's containers: each has a number of connections, a request a size and a time.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from corral_agent.engine_proxy import http_head, responses
from corral_agent.engine_proxy.http_head import BadMessage, RequestHead
from corral_agent.engine_proxy.streams import MessageReader
from corral_agent.metadata.request import MetadataRequest, is_news, respond
from corral_agent.metadata.turns import Turns
from corral_agent.metadata.world import World
from corral_agent.port_holder import find_port_holder
from corral_agent.service_address import METADATA_PORT, SERVICE_ADDRESS, listen
from corral_agent.threads import run_in_thread

log = logging.getLogger("corral_agent")

MAX_CONNECTIONS = 32  # of one client; a long poll holds one
MAX_CLIENTS = 1000
_HEAD_SECONDS, _IDLE_SECONDS, _WRITE_SECONDS = 10.0, 60.0, 30.0
_RETRY_SECONDS = 2.0


class MetadataHandler:
    """Document `metadata`: answers its clients from the last one that was applied."""

    def __init__(self, port: int = METADATA_PORT, address: str = SERVICE_ADDRESS) -> None:
        self._port, self._address = port, address
        self._world: World | None = None
        self._news = asyncio.Event()
        self._changed: Callable[[], None] = lambda: None
        self._problem = "It is not listening yet."
        self._listening: asyncio.Task[None] | None = None
        self._server: asyncio.Server | None = None
        self._connections = Counter[str]()
        self._turns = Turns()
        self._serving = set[asyncio.Task[None]]()

    def start(self, changed: Callable[[], None]) -> None:
        """Listen, as soon as the address is there."""
        self._changed = changed
        self._listening = asyncio.ensure_future(self._listen())

    async def _listen(self) -> None:
        while True:
            try:
                self._server = await asyncio.start_server(
                    self._accept, sock=listen(self._port, self._address), limit=65536
                )
            except OSError as error:
                in_use = error.errno == errno.EADDRINUSE
                holder = await run_in_thread(partial(find_port_holder, self._port)) if in_use else ""
                why = f"{holder} has it" if holder else error.strerror or error
                self._note(f"Port {self._port} cannot be listened on: {why}.")
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                self._note("")
                return

    def _note(self, problem: str) -> None:
        if problem != self._problem:
            self._problem = problem
            self._changed()

    def apply(self, document: Mapping[str, Any]) -> None:
        """Answer from this document from now on. Raises `DocumentRefused`."""
        self._world = World(document)
        self._news.set()
        self._news = asyncio.Event()

    @property
    def bound_to(self) -> tuple[str, int] | None:
        """Where it listens; None while it does not."""
        return self._server.sockets[0].getsockname() if self._server is not None else None

    @property
    def clients(self) -> int:
        """How many clients are connected."""
        return len(self._connections)

    def status(self) -> dict[str, Any]:
        """Whether it listens."""
        return {"state": "error" if self._problem else "active", "reason": self._problem}

    async def close(self) -> None:
        """Stop listening, and close what is open."""
        if self._listening is not None:
            self._listening.cancel()
        if self._server is not None:
            self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    async def _accept(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        address = str((sink.get_extra_info("peername") or ("",))[0])
        if task is None or self._connections[address] >= MAX_CONNECTIONS or len(self._connections) >= MAX_CLIENTS:
            sink.transport.abort()
            return
        self._serving.add(task)
        self._connections[address] += 1
        try:
            await self._serve(source, sink, address)
        except (OSError, EOFError, TimeoutError, asyncio.CancelledError):
            pass
        finally:
            self._serving.discard(task)
            self._connections[address] -= 1
            if not self._connections[address]:
                del self._connections[address]
            sink.transport.abort() if sink.transport.get_write_buffer_size() else sink.close()

    async def _serve(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, address: str) -> None:
        reader = MessageReader(source)
        wait = _HEAD_SECONDS
        while True:
            try:
                async with asyncio.timeout(wait):
                    data = await reader.head()
                if not data:
                    return
                request = http_head.parse_request(data)
                goes_on = await self._respond(request, reader, sink, address)
            except BadMessage as error:
                await _send(sink, error.status, f"Not understood: {error}.\n".encode(), "text/plain", keep=False)
                return
            if not goes_on:
                return
            wait = _IDLE_SECONDS

    async def _respond(
        self, head: RequestHead, reader: MessageReader, sink: asyncio.StreamWriter, address: str
    ) -> bool:
        """Answer one request; whether another may follow."""
        if head.method not in {"GET", "HEAD"} or head.length or head.chunked:
            await _send(sink, 405, b"Only GET and HEAD are answered here.\n", "text/plain", keep=False)
            return False
        request = MetadataRequest.of(head)
        if request.known is not None and not await self._wait(request, reader, address):
            return False
        answer = await self._turns.take(address, lambda: respond(request, self._world, address))
        keep = not head.is_http10 and head.first(b"connection") != b"close"
        await _send(sink, answer.status, answer.body, answer.media_type, keep=keep, with_body=head.method == "GET")
        return keep

    async def _wait(self, request: MetadataRequest, reader: MessageReader, address: str) -> bool:
        """Wait for news, or until it has waited long enough; False when the client has left meanwhile."""
        leaving = asyncio.ensure_future(reader.wait_closed())
        try:
            async with asyncio.timeout(request.max_wait):
                while self._world is None or not is_news(request, self._world, address):
                    news = asyncio.ensure_future(self._news.wait())
                    await asyncio.wait({news, leaving}, return_when=asyncio.FIRST_COMPLETED)
                    news.cancel()
                    if leaving.done():
                        return False
        except TimeoutError:
            pass
        finally:
            leaving.cancel()
            with contextlib.suppress(asyncio.CancelledError, OSError):
                await leaving
        return True


async def _send(
    sink: asyncio.StreamWriter, status: int, body: bytes, media_type: str, *, keep: bool, with_body: bool = True
) -> None:
    head = responses.encode_head(
        status,
        f"Content-Type: {media_type}",
        f"Content-Length: {len(body)}",
        "Access-Control-Allow-Origin: *",
        *([] if keep else ["Connection: close"]),
    )
    sink.write(head + body if with_body else head)
    async with asyncio.timeout(_WRITE_SECONDS):
        await sink.drain()
