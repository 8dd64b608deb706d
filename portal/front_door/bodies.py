"""The guard around the application: bodies are counted and timed as they arrive, before anything keeps them."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter

from portal.front_door import refusals
from portal.front_door.files import serve_with_file
from portal.front_door.limits import (
    BODY_SECONDS,
    MAX_BODIES,
    MAX_BODIES_PER_CLIENT,
    MAX_FILE,
    MB,
    MIN_BODY_RATE,
    SMALL_BODY,
    body_limit,
    carries_file,
)
from portal.front_door.refusals import Application, Message, Receive, Refusal, Scope, Send

_DISCONNECT: Message = {"type": "http.disconnect"}
# A close with unread data resets the connection, and the client would lose the answer: read on for a moment.
_DRAIN_SECONDS, _DRAIN_SIZE = 2.0, 8 * MB


class BodyBudget:
    """How many bytes of bodies are in memory, of each client and in all."""

    def __init__(self, total: int = MAX_BODIES, per_client: int = MAX_BODIES_PER_CLIENT) -> None:
        self._total, self._per_client = total, per_client
        self._held: Counter[str] = Counter()
        self.used = 0

    def take(self, client: str, size: int) -> bool:
        """Whether `size` more bytes of this client may be kept."""
        if self.used + size > self._total or self._held[client] + size > self._per_client:
            return False
        self.used += size
        self._held[client] += size
        return True

    def give_back(self, client: str, size: int) -> None:
        """What was taken is no longer kept."""
        self.used -= size
        self._held[client] -= size
        if self._held[client] <= 0:
            del self._held[client]


class BodyReader:
    """The `receive` of one request with a body; what is refused looks to the application as if the client had left."""

    def __init__(self, receive: Receive, limit: int, client: str, budget: BodyBudget) -> None:
        self.refusal: Refusal | None = None
        self._receive, self._limit, self._client, self._budget = receive, limit, client, budget
        self._size = self._taken = 0
        self._complete = False
        self._began = asyncio.get_running_loop().time()

    async def __call__(self) -> Message:
        """The next part of the body."""
        if self._complete:
            return await self._receive()
        if self.refusal is not None:
            return _DISCONNECT
        try:
            async with asyncio.timeout_at(self._began + BODY_SECONDS + self._size / MIN_BODY_RATE):
                message = await self._receive()
        except TimeoutError:
            self.refusal = refusals.BODY_TOO_SLOW
            return _DISCONNECT
        self._size += len(message.get("body", b""))
        self.refusal = self._judge()
        self._complete = self.refusal is None and not message.get("more_body", False)
        return message if self.refusal is None else _DISCONNECT

    def _judge(self) -> Refusal | None:
        if self._size > self._limit:
            return refusals.body_too_large(self._limit)
        more = self._size - SMALL_BODY - self._taken
        if more > 0:
            if not self._budget.take(self._client, more):
                return refusals.TOO_MANY_BODIES
            self._taken += more
        return None

    def release(self) -> None:
        """The request is over, and so is what its body took."""
        self._budget.give_back(self._client, self._taken)
        self._taken = 0


class BodyGuard:
    """Wraps the application: no request's body is larger, slower or kept longer than `limits` says."""

    def __init__(self, application: Application, budget: BodyBudget | None = None) -> None:
        self._application = application
        self._budget = budget or BodyBudget()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or socket."""
        headers = dict(scope.get("headers") or ())
        if scope["type"] != "http" or not (b"transfer-encoding" in headers or b"content-length" in headers):
            await self._application(scope, receive, send)
            return
        has_credential = b"cookie" in headers or b"authorization" in headers
        has_file = carries_file(
            scope["method"], scope["path"], scope.get("query_string", b""), has_credential=has_credential
        )
        limit = MAX_FILE if has_file else body_limit(scope["method"], scope["path"], has_credential=has_credential)
        refusal = _refuse_length(headers.get(b"content-length", b"0"), limit)
        if refusal is not None:
            # Who waits for "100 Continue" has sent nothing, and is not to be asked for it.
            await _refuse(refusal, send, None if b"expect" in headers else receive)
            return
        if has_file:
            await serve_with_file(self._application, scope, receive, send)
            return
        client = str((scope.get("client") or ("",))[0])
        await self._serve(scope, BodyReader(receive, limit, client, self._budget), receive, send)

    async def _serve(self, scope: Scope, reader: BodyReader, receive: Receive, send: Send) -> None:
        started = False

        async def send_unless_refused(message: Message) -> None:
            nonlocal started
            if reader.refusal is None:
                started = True
                await send(message)

        try:
            await self._application(scope, reader, send_unless_refused)
        finally:
            reader.release()
        if reader.refusal is not None and not started:
            await _refuse(reader.refusal, send, receive)


def _refuse_length(announced: bytes, limit: int) -> Refusal | None:
    if not announced.isdigit():
        return refusals.BAD_LENGTH
    # Compared by its digits first: Python refuses to read a number of thousands of them.
    digits = announced.lstrip(b"0") or b"0"
    too_large = len(digits) > 15 or int(digits) > limit
    return refusals.body_too_large(limit) if too_large else None


async def _refuse(refusal: Refusal, send: Send, receive: Receive | None) -> None:
    await refusal.send(send, more=True)
    if receive is not None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN_SECONDS):
                await _drain(receive)
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _drain(receive: Receive) -> None:
    size = 0
    while size < _DRAIN_SIZE:
        message = await receive()
        size += len(message.get("body", b""))
        if not message.get("more_body", False):
            return
