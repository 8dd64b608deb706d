"""Shells: a command with a terminal inside a container, for the console and for v1 clients."""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import json
import queue
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future
from typing import Any, ClassVar

from apps.containers.models import Container
from apps.containers.stream_audit import audited
from apps.containers.streams import KEYS_WITHIN, command_open, parse_command, shell_open
from apps.core.errors import (
    Forbidden,
    Invalid,
    Unauthorized,
)
from apps.core.hooks import hooks
from apps.drivers.base import EngineError, ExecSession
from apps.environments.actor import Actor
from apps.realtime import targets
from apps.realtime.authentication import PermissionSnapshot
from apps.realtime.base_socket import (
    NOT_ALLOWED,
    NOT_FOUND,
    BaseSocket,
    SocketRejected,
)
from apps.realtime.stream_reader import EngineStreamReader

_MAX_QUEUED_ACTIONS = 32
_MAX_QUEUED_BYTES = 256 * 1024  # by their number alone, 32 frames of a megabyte would wait for one sleeping command
_MAX_FRAME_BYTES = 1_000_000
_INPUT_TIMEOUT = 10.0

InputAction = Callable[[ExecSession], None]


class _Output:
    """The output of an exec session as a stream."""

    def __init__(self, session: ExecSession) -> None:
        self.session = session

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.session.read, b"")

    def close(self) -> None:
        self.session.close()


class _SeparateOutput(_Output):
    """The output of a command without a terminal: before each piece one byte, 1 for stdout and 2 for stderr."""

    def __iter__(self) -> Iterator[bytes]:
        while True:
            stream, data = self.session.read_stream()
            if not data:
                return
            yield (b"\x02" if stream == "stderr" else b"\x01") + data


class _Input:
    """Input and resizes, applied in order by a thread: a command that does not read must not block anything else."""

    def __init__(self, session: ExecSession) -> None:
        self._session = session
        self._actions: queue.Queue[tuple[InputAction, int] | None] = queue.Queue(_MAX_QUEUED_ACTIONS)
        self._closed = False
        self._queued_bytes = 0
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="shell-input", daemon=True)
        self._thread.start()

    async def add(self, action: InputAction, size: int = 0) -> bool:
        """Queue an action that holds `size` bytes; False when there was no room for ten seconds.

        There is none while the command does not read: what waits for it is bounded in number and in bytes.
        """
        deadline = time.monotonic() + _INPUT_TIMEOUT
        while not self._closed:
            if self._take_room(size):
                with contextlib.suppress(queue.Full):
                    self._actions.put_nowait((action, size))
                    return True
                self._give_room(size)
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(0.02)
        return True

    def _take_room(self, size: int) -> bool:
        with self._lock:
            # One frame goes through whatever its size: it is bounded already, and could never be sent otherwise.
            if size and self._queued_bytes and self._queued_bytes + size > _MAX_QUEUED_BYTES:
                return False
            self._queued_bytes += size
            return True

    def _give_room(self, size: int) -> None:
        with self._lock:
            self._queued_bytes -= size

    def close(self) -> None:
        """End the thread once the session is closed."""
        self._closed = True
        with contextlib.suppress(queue.Full):
            self._actions.put_nowait(None)

    def _run(self) -> None:
        while not self._closed:
            queued = self._actions.get()
            if queued is None:
                return
            action, size = queued
            # A failed write also ends the output, and its reason is the one that is reported.
            with contextlib.suppress(EngineError, OSError):
                action(self._session)
            self._give_room(size)


class ShellSocket(BaseSocket):
    """`/ws/shell?container=&command=`: binary frames both ways, `{"type":"resize"}` from the client, `end` to it.

    By a ticket that says so the command has no terminal: the first byte of each frame of output is then 1 for stdout
    and 2 for stderr, and `{"type":"eof"}` from the client ends its input. Output is read only as fast as the client
    takes it.
    """

    verb = "exec"
    permission = "exec"
    ping_interval = 0
    event: ClassVar[str] = "container.shell"

    row: Container
    command: list[str]
    tty = True
    allows_no_terminal: ClassVar[bool] = True

    def resolve_target(self, actor: Actor) -> int:
        """The container and the command, through the query or the ticket."""
        _kind, key = targets.requested_target(self.credentials, self.scope["query"], "container")
        self.row = targets.get_container(actor, key)
        ticket = self.credentials.ticket
        self.tty = not (self.allows_no_terminal and ticket and ticket.details.get("tty") is False)
        ticket_command = ticket.details.get("command") if ticket else None
        try:
            self.command = (
                list(ticket_command) if ticket_command else parse_command(self.scope["query"].get("command", ""))
            )
        except Invalid as error:
            raise SocketRejected(NOT_FOUND, error.message) from None
        self._require_values_for(self.row)
        return self.row.environment_id

    def _require_values_for(self, row: Container) -> None:
        self._needs_values = hooks.holds_keys(row)

    def _check_permission(self, found: PermissionSnapshot) -> None:
        super()._check_permission(found)
        if self._needs_values and "values" not in (found.permissions or ()):
            raise SocketRejected(NOT_ALLOWED, KEYS_WITHIN)

    async def begin(self) -> None:
        """Open the shell and read it in a thread."""
        self._loop = asyncio.get_running_loop()
        self._opened = asyncio.Event()
        self._sending: Future[None] | None = None
        self._session: ExecSession | None = None
        self._input: _Input | None = None
        reader = EngineStreamReader(f"shell-{self.row.pk}", self._open, self._on_output, self._on_end)
        self.add_close_callback(self._stop_io)
        self.add_close_callback(reader.close)
        reader.start()

    def on_rejected(self, rejection: SocketRejected) -> None:
        """Audit the attempt to open a shell in a container that the caller may see but not enter."""
        if rejection.code == NOT_ALLOWED:
            with contextlib.suppress(Forbidden), self._audited():
                raise Forbidden(str(rejection))

    @contextlib.contextmanager
    def _audited(self) -> Iterator[None]:
        """Record the request before anything is opened, and its outcome afterwards."""
        actor = self.credentials.actor()
        if actor is None:
            raise Unauthorized("You are logged out.")
        with audited(
            self.event,
            actor=actor,
            row=self.row,
            environment_id=self.environment,
            request=self.request_details(),
        ):
            yield

    def request_details(self) -> dict[str, Any]:
        """What the audit entry says of it."""
        return {"command": self.command, **({} if self.tty else {"tty": False})}

    def open_session(self) -> ExecSession:
        """Run the command."""
        return shell_open(self.row, self.command) if self.tty else command_open(self.row, self.command, tty=False)

    def _open(self) -> _Output:
        with self._audited():
            self._session = self.open_session()
        if not self.ended:
            self._input = _Input(self._session)
            self._loop.call_soon_threadsafe(self._opened.set)
        return _Output(self._session) if self.tty else _SeparateOutput(self._session)

    def _on_output(self, data: bytes) -> None:
        self._sending = asyncio.run_coroutine_threadsafe(self.send_output(data), self._loop)
        if self.ended:
            self._sending.cancel()
        # Waiting for the send is what slows the engine down to the speed of the browser.
        with contextlib.suppress(CancelledError):
            self._sending.result()

    def _on_end(self, reason: str) -> None:
        code = None
        if self._session is not None:
            with contextlib.suppress(EngineError):
                code = self._session.exit_code()
        asyncio.run_coroutine_threadsafe(self._finish(code, reason), self._loop)

    async def _finish(self, code: int | None, reason: str) -> None:
        await self.send_end(code, reason)
        await self.end(1000, reason)

    def _stop_io(self) -> None:
        self._opened.set()
        if self._sending is not None:
            self._sending.cancel()
        if self._input is not None:
            self._input.close()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None, **_: Any) -> None:
        """Bytes are input, JSON is a resize or the end of the input; anything else is ignored."""
        if bytes_data is not None:
            await self.send_keys(bytes_data)
        elif text_data:
            with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
                action = json.loads(text_data)
                if action["type"] == "resize":
                    columns, rows = (max(1, min(int(action[name]), 1000)) for name in ("columns", "rows"))
                    await self._queue_input(lambda session: session.resize(columns, rows))
                elif action["type"] == "eof" and not self.tty:
                    await self._queue_input(lambda session: session.end_input())

    async def send_keys(self, data: bytes) -> None:
        """Pass input to the command."""
        if len(data) > _MAX_FRAME_BYTES:
            await self.end(1009, "A frame of input may hold at most one megabyte.")
        elif data:
            await self._queue_input(lambda session: session.write(data), len(data))

    async def _queue_input(self, action: InputAction, size: int = 0) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_INPUT_TIMEOUT):
                await self._opened.wait()  # input may arrive before the engine has started the command
        if self.ended or self._input is None:
            return
        if not await self._input.add(action, size):
            await self.end(1009, "The command does not read its input.")

    async def send_output(self, data: bytes) -> None:
        """Send output."""
        await self.put(bytes_data=data)

    async def send_end(self, code: int | None, reason: str) -> None:
        """Say how the command ended."""
        await self.send_json({"type": "end", "code": code, **({"reason": reason} if reason else {})})


class V1ExecSocket(ShellSocket):
    """`/v1/exec/?token=`: text frames of base64, both ways; see the v1 contract, section 6.2."""

    allows_no_terminal = False  # its clients read one stream, whatever they say

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None, **_: Any) -> None:
        """Input; a frame that is not base64 is ignored."""
        with contextlib.suppress(binascii.Error, ValueError):
            await self.send_keys(base64.b64decode(text_data or bytes_data or b"", validate=True))

    async def send_output(self, data: bytes) -> None:
        """Send output."""
        await self.put(text_data=base64.b64encode(data).decode())

    async def send_end(self, code: int | None, reason: str) -> None:
        """Show a failure in the terminal; v1 has nowhere else to report it."""
        if reason and code is None:
            await self.send_output(f"{reason}\r\n".encode())
