"""`/v1/dockersocket/?token=`: the Docker API of one host, as the frames of Rancher's clients carry it."""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import logging
import threading
import time
from collections import deque
from concurrent.futures import CancelledError
from typing import Any

from django.db import connections

from apps.containers.docker_api.connection import DockerConnection
from apps.containers.docker_api.host_calls import PERMISSION, HostDockerApi
from apps.environments.actor import Actor
from apps.hosts.models import Host
from apps.realtime import targets
from apps.realtime.authentication import PermissionSnapshot
from apps.realtime.base_socket import NOT_ALLOWED, NOT_FOUND, BaseSocket, SocketRejected

log = logging.getLogger(__name__)

VERB = "dockersocket"
MAX_BYTES = 4 * 1024**3
"""Each way: a forgotten connection must not pass data for ever."""
_MAX_FRAME = 1_000_000
_MAX_WAITING = 256 * 1024
_PIECE = 48 * 1024  # of output in one frame, a multiple of three
_INPUT_TIMEOUT = 10.0


class DockerSocket(BaseSocket):
    """Text frames of base64 both ways, which together are one connection of HTTP.

    It takes a ticket, which works once, and the permission all the time; what runs in it takes more, which is checked
    again and again too. One thread serves it.
    """

    verb = VERB
    permission = PERMISSION
    ping_interval = 0

    row: Host
    _connection: DockerConnection | None = None

    def resolve_target(self, actor: Actor) -> int:
        """The host of the ticket."""
        ticket = self.credentials.ticket
        if ticket is None:
            raise SocketRejected(NOT_FOUND, "The Docker API takes a ticket: request one with dockersocket.")
        self.row = targets.get_host(actor, ticket.target)
        return self.row.environment_id

    def _check_permission(self, found: PermissionSnapshot) -> None:
        super()._check_permission(found)
        if self._connection is not None and not self._connection.needs <= (found.permissions or frozenset()):
            raise SocketRejected(NOT_ALLOWED, "Your role here may not do this any more.")

    async def begin(self) -> None:
        """Serve it in a thread."""
        self._loop = asyncio.get_running_loop()
        self._pipe = _Pipe(self)
        api = HostDockerApi(self.row.pk, self.row.environment_id, self.credentials.actor)
        self._connection = DockerConnection(api, self._pipe)
        self.add_close_callback(self._pipe.close)
        self.add_close_callback(self._connection.close)
        threading.Thread(target=self._serve, args=(api,), name=f"docker-api-{self.row.pk}", daemon=True).start()

    def _serve(self, api: HostDockerApi) -> None:
        code, reason = 1000, ""
        try:
            actor = self.credentials.actor()
            if actor is not None and self._connection is not None:
                with api.audited(actor, self.row, {}):
                    pass  # written before anything is done over it
                self._connection.serve()
        except Exception:  # the socket must not stay open and silent
            log.exception("serving the Docker API of %s", self.row.pk)
            code, reason = 1011, "Internal error; see the log of the portal."
        finally:
            connections.close_all()
            self._end_soon(code, reason)

    def _end_soon(self, code: int, reason: str) -> None:
        """End the socket, from the thread."""
        if not self.ended:
            with contextlib.suppress(RuntimeError):  # the loop is closed: the portal stops
                self._loop.call_soon_threadsafe(lambda: self.spawn(self.end(code, reason)))

    def send_output(self, data: bytes) -> None:
        """Send output, from the thread; waiting is what slows the engine down to the client's speed."""
        for start in range(0, len(data), _PIECE):
            if self.ended:
                raise BrokenPipeError("the socket has ended")
            text = base64.b64encode(data[start : start + _PIECE]).decode()
            sending = asyncio.run_coroutine_threadsafe(self.put(text_data=text), self._loop)
            self._pipe.waits_for(sending)
            try:
                sending.result()
            except CancelledError:
                raise BrokenPipeError("the socket has ended") from None

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None, **_: Any) -> None:
        """Input; a frame that is not base64 ends the socket, as what follows would be out of step."""
        sent = text_data or bytes_data or b""
        if len(sent) > _MAX_FRAME:
            await self.end(1009, "A frame may hold at most one megabyte.")
            return
        try:
            data = base64.b64decode(sent, validate=True)
        except (binascii.Error, ValueError):
            await self.end(1003, "A frame is a text of base64.")
            return
        deadline = time.monotonic() + _INPUT_TIMEOUT
        while data and not self.ended and not self._pipe.put(data):
            if time.monotonic() > deadline:
                await self.end(1009, "Nothing reads the input.")
                return
            await asyncio.sleep(0.02)


class _Pipe:
    """What has come and is yet to be read, bounded; and the way back."""

    def __init__(self, socket: DockerSocket) -> None:
        self._socket = socket
        self._waiting: deque[bytes] = deque()
        self._size = 0
        self._changed = threading.Condition()
        self._closed = False
        self._sending: Any = None
        self._received = self._sent = 0

    def put(self, data: bytes) -> bool:
        """Add what has come; False while there is no room."""
        with self._changed:
            if self._size and self._size + len(data) > _MAX_WAITING:
                return False
            self._waiting.append(data)
            self._size += len(data)
            self._changed.notify()
            return True

    def read(self, timeout: float | None) -> bytes:
        """The next bytes, b"" once closed or when too many have come. Raises `TimeoutError`."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._waiting or self._closed, timeout):
                raise TimeoutError("nothing arrived in time")
            if self._closed or self._received > MAX_BYTES:
                return b""
            data = self._waiting.popleft()
            self._size -= len(data)
            self._received += len(data)
            return data

    def write(self, data: bytes) -> None:
        """Send. Raises `OSError` once the socket has ended, or when too much was sent."""
        self._sent += len(data)
        if self._sent > MAX_BYTES:
            raise BrokenPipeError("a connection passes 4 GB at most")
        self._socket.send_output(data)

    def waits_for(self, future: Any) -> None:
        """Have `close` cancel a send that waits for a client who takes nothing."""
        self._sending = future
        if self._closed:
            future.cancel()

    def close(self) -> None:
        """Wake whoever reads or writes."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._sending is not None:
            self._sending.cancel()
