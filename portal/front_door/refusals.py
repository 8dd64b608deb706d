"""The answers of the front door: small, complete, and the last on their connection."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is not let in: its status, v1's code, and what to do about it."""

    status: int
    code: str
    message: str
    retry_after: int = 0

    def body(self) -> bytes:
        """The v1 error, which people can read too: nothing is known of the client yet."""
        error = {"type": "error", "status": self.status, "code": self.code, "message": self.message, "detail": None}
        return json.dumps(error).encode()

    def headers(self) -> list[tuple[bytes, bytes]]:
        """The headers of the answer; the rest of the request may be unread, so the connection ends."""
        found = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(self.body())).encode()),
            (b"cache-control", b"no-store"),
            (b"x-content-type-options", b"nosniff"),
            (b"connection", b"close"),
        ]
        return [*found, (b"retry-after", str(self.retry_after).encode())] if self.retry_after else found

    def as_bytes(self) -> bytes:
        """The whole answer, for a connection whose request never became one."""
        lines = [f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}".encode()]
        lines += [name + b": " + value for name, value in self.headers()]
        return b"\r\n".join([*lines, b"", self.body()])

    async def send(self, send: Send, *, more: bool = False) -> None:
        """Answer as an ASGI application; with `more` the connection stays until an empty last part."""
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers()})
        await send({"type": "http.response.body", "body": self.body(), "more_body": more})

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """The application that answers every request with this."""
        await self.send(send)


HEAD_TOO_LARGE = Refusal(431, "Request Header Fields Too Large", "The request's headers are too large or too many.")
HEAD_TOO_SLOW = Refusal(408, "Request Timeout", "The request's headers did not arrive in time.")
BODY_TOO_SLOW = Refusal(408, "Request Timeout", "The request's body did not arrive in time.")
BAD_LENGTH = Refusal(400, "Bad Request", "Content-Length must be a whole number.")
TOO_MANY_CONNECTIONS = Refusal(
    503, "Service Unavailable", "Too many connections are open; close some, or try again in a few seconds.", 5
)
TOO_MANY_BODIES = Refusal(503, "Service Unavailable", "Too much is being uploaded; try again in a few seconds.", 5)


def body_too_large(limit: int) -> Refusal:
    """The refusal of a body beyond `limit` bytes."""
    return Refusal(413, "MaxLimitExceeded", f"A body has at most {limit // 1024} KB here.")
