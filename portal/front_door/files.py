"""Files on their way in: the application sees an empty body, and reads the file from the scope while it arrives."""

from __future__ import annotations

import asyncio
import contextlib
from concurrent.futures import CancelledError
from concurrent.futures import TimeoutError as FutureTimeoutError

from apps.core.streams import ARRIVING_FILE, FileBrokenOff
from portal.front_door.limits import BODY_SECONDS, FILE_IDLE_SECONDS, MAX_FILE, MB, MIN_BODY_RATE
from portal.front_door.refusals import Application, Message, Receive, Scope, Send

_DISCONNECT: Message = {"type": "http.disconnect"}
# Long enough for a client that sends and then reads: a close with unread data would take the answer from it.
_DRAIN_SECONDS, _DRAIN_SIZE = 2.0, 64 * MB


class ArrivingFile:
    """The file in the body of one request; `read_piece` is for the thread of whoever takes it."""

    def __init__(self, receive: Receive, idle_seconds: float = FILE_IDLE_SECONDS) -> None:
        self.gone = asyncio.Event()
        self._receive, self._idle_seconds = receive, idle_seconds
        self._loop = asyncio.get_running_loop()
        self._size = 0
        self._waited = 0.0
        self._is_complete = False

    def read_piece(self) -> bytes:
        """The next piece, b"" at the end. Raises `FileBrokenOff`; not to be called in the server's own thread."""
        if self._is_complete:
            return b""
        waiting = asyncio.run_coroutine_threadsafe(self._next_piece(), self._loop)
        try:
            return waiting.result(self._idle_seconds + 5)
        except (FutureTimeoutError, CancelledError):
            waiting.cancel()
            raise FileBrokenOff from None

    async def _next_piece(self) -> bytes:
        while not self._is_complete:
            began = self._loop.time()
            # Only the time that the client takes counts: whoever reads may take longer, as engines that unpack do.
            patience = BODY_SECONDS + self._size / MIN_BODY_RATE - self._waited
            try:
                async with asyncio.timeout(min(self._idle_seconds, patience)):
                    message = await self._receive()
            except TimeoutError:
                raise FileBrokenOff from None
            self._waited += self._loop.time() - began
            if message["type"] != "http.request":
                self.gone.set()
                raise FileBrokenOff
            self._is_complete = not message.get("more_body", False)
            piece: bytes = message.get("body", b"")
            self._size += len(piece)
            if self._size > MAX_FILE:
                raise FileBrokenOff
            if piece:
                return piece
        return b""

    async def drain(self) -> None:
        """Read on for a moment, so that the client can read its answer."""
        size = 0
        with contextlib.suppress(TimeoutError, FileBrokenOff):
            async with asyncio.timeout(_DRAIN_SECONDS):
                while size < _DRAIN_SIZE and (piece := await self._next_piece()):
                    size += len(piece)


async def serve_with_file(application: Application, scope: Scope, receive: Receive, send: Send) -> None:
    """Serve one request whose body is a file.

    The end of the answer is held back until the file has been read, or a moment has passed.
    """
    file = ArrivingFile(receive)
    is_first = True

    async def receive_nothing() -> Message:
        nonlocal is_first
        if is_first:
            is_first = False
            return {"type": "http.request", "body": b"", "more_body": False}
        await file.gone.wait()
        return _DISCONNECT

    async def send_after_draining(message: Message) -> None:
        if message["type"] != "http.response.body" or message.get("more_body", False):
            await send(message)
            return
        await send({**message, "more_body": True})
        await file.drain()
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    await application({**scope, ARRIVING_FILE: file}, receive_nothing, send_after_draining)
