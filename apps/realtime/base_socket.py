"""The base of all sockets: authentication, target, repeated permission checks, heartbeat and clean-up."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import random
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar, TypeVar

from channels.consumer import get_handler_name
from channels.db import database_sync_to_async
from channels.exceptions import StopConsumer
from channels.generic.websocket import AsyncWebsocketConsumer

from apps.core.events import account_group, environment_group
from apps.core.models import Managed
from apps.environments.actor import Actor
from apps.environments.models import OpenSocket
from apps.environments.services import socket_register, socket_unregister, sockets_heartbeat
from apps.environments.socket_credentials import SocketCredentials
from apps.realtime.authentication import (
    CACHE_SECONDS,
    PermissionSnapshot,
    authenticate,
    cached_permissions,
    load_permissions,
)
from apps.realtime.origin import header

log = logging.getLogger(__name__)

T = TypeVar("T")

NOT_AUTHENTICATED, NOT_ALLOWED, NOT_FOUND, GONE = 4401, 4403, 4404, 4410
# Together below two seconds: the longest that a socket may outlive the right to it.
CHECK_INTERVAL = 1.5
CHECK_MAX_AGE = 0.4

# Each may cost two threads and an engine connection: one account must not exhaust them for the others.
MAX_SOCKETS_PER_ACCOUNT = 200
_open_counts: Counter[int] = Counter()

# Not asgiref's one shared thread: one slow query there would hold up every socket.
_POOL = ThreadPoolExecutor(8, thread_name_prefix="sockets")


class _Heartbeat:
    """When this process last renewed the register entries of its sockets; any socket renews them for all."""

    last = 0.0

    def is_due(self) -> bool:
        """Whether a renewal is due; true once in every `OpenSocket.HEARTBEAT`."""
        now = time.monotonic()
        if now - self.last < OpenSocket.HEARTBEAT.total_seconds():
            return False
        self.last = now
        return True


_heartbeat = _Heartbeat()


async def run_in_thread(call: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    """Run a blocking call (database, engine) in a thread."""
    result: T = await database_sync_to_async(call, thread_sensitive=False, executor=_POOL)(*args, **kwargs)
    return result


class SocketRejected(Exception):
    """Closes the socket with `code`; `str()` is the reason in the close frame."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class BaseSocket(AsyncWebsocketConsumer):  # type: ignore[misc]
    """One WebSocket, bound to one environment (None: the whole installation).

    Subclasses declare the `verb` a ticket must be for, the `permission` that is needed all the time, the ping interval
    (0: never), the target (`resolve_target`) and what is sent (`begin`). A refusal is a close after the handshake,
    because a browser cannot read why a handshake failed; other clients with bad credentials get a 401 instead.
    """

    verb: ClassVar[str]
    permission: ClassVar[str]
    ping_interval = 15.0

    credentials: SocketCredentials

    def __init__(self) -> None:
        super().__init__()
        self.environment: int | None = None
        self.ended = False
        self._account_id = 0
        self._register_id = 0
        self._counted = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._close_callbacks: list[Callable[[], None]] = []

    def resolve_target(self, actor: Actor) -> int | None:
        """Find the target (in a thread) and return its environment; raises `SocketRejected`."""
        raise NotImplementedError

    def on_rejected(self, rejection: SocketRejected) -> None:
        """Called (in a thread) when a caller is rejected; most sockets do nothing."""

    async def begin(self) -> None:
        """Start sending; the handshake is done and the caller is authorized."""
        raise NotImplementedError

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Run the socket; however it ends (also by a cancelled task), everything is released."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self.release()
            await self._unregister()

    async def _unregister(self) -> None:
        for name in self.groups:
            with contextlib.suppress(Exception):
                await self.channel_layer.group_discard(name, self.channel_name)
        if self._register_id:
            with contextlib.suppress(Exception):  # it expires in a minute anyway
                await run_in_thread(socket_unregister, self._register_id)

    async def dispatch(self, message: dict[str, Any]) -> None:
        """Call the handler if there is one: a group carries messages for all kinds of sockets."""
        handler = getattr(self, get_handler_name(message), None)
        if handler:
            await handler(message)

    async def websocket_disconnect(self, _message: Mapping[str, Any]) -> None:
        """The other side is gone; `__call__` cleans up."""
        raise StopConsumer

    async def connect(self) -> None:
        """Authenticate, accept, and close again if the caller is rejected."""
        try:
            await run_in_thread(self._authenticate)
            self._count_connection()
        except SocketRejected as rejection:
            if self._gets_status(rejection):
                await run_in_thread(self.on_rejected, rejection)
                await self._answer_unauthorized(rejection)
            await self.accept()
            try:
                await run_in_thread(self.on_rejected, rejection)
            finally:
                await self.end(rejection.code, str(rejection))
            return
        await self.accept()
        for name in (environment_group(self.environment), account_group(self._account_id)):
            self.groups.append(name)
            await self.channel_layer.group_add(name, self.channel_name)
        await self.check(age=0)  # rights may have changed before the groups were joined
        if not self.ended:
            self.spawn(self._check_loop())
            if self.ping_interval:
                self.spawn(self._ping_loop())
            await self.begin()

    def _gets_status(self, rejection: SocketRejected) -> bool:
        """Whether a 401 is the answer: to bad credentials of what is no browser, where the server can send one."""
        is_browser = bool(header(self.scope, "origin"))
        can_answer = "websocket.http.response" in (self.scope.get("extensions") or {})
        return rejection.code == NOT_AUTHENTICATED and can_answer and not is_browser

    async def _answer_unauthorized(self, rejection: SocketRejected) -> None:
        headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"www-authenticate", b'Basic realm="Corral"')]
        await self.base_send({"type": "websocket.http.response.start", "status": 401, "headers": headers})
        await self.base_send({"type": "websocket.http.response.body", "body": str(rejection).encode()})
        raise StopConsumer

    def _authenticate(self) -> None:
        credentials = authenticate(self.scope, self.verb)
        actor = credentials.actor() if credentials else None
        if credentials is None or actor is None:
            raise SocketRejected(NOT_AUTHENTICATED, "Log in first.")
        self.credentials = credentials
        self._account_id = actor.user.pk if actor.user else 0
        self.environment = self.resolve_target(actor)
        self._check_permission(load_permissions(credentials, self.environment))
        self._register_id = self._register(actor)

    def _register(self, actor: Actor) -> int:
        row: Managed | None = getattr(self, "row", None)  # of sockets that show one
        return socket_register(
            account=actor.user.pk if actor.user else None,
            key=self.credentials.key,
            environment=self.environment,
            verb=self.verb,
            permission=self._required_permission,
            kind=row.KIND if row is not None else "",
            target=row.pk if row is not None else None,
            address=self.credentials.address,
        )

    @property
    def account_id(self) -> int:
        """Whose socket it is; 0 for nobody's."""
        return self._account_id

    @property
    def _required_permission(self) -> str:
        return self.permission if self.environment is not None else "admin"

    def _count_connection(self) -> None:
        if _open_counts[self._account_id] >= MAX_SOCKETS_PER_ACCOUNT:
            raise SocketRejected(
                NOT_ALLOWED, f"This account has {MAX_SOCKETS_PER_ACCOUNT} open connections already; close some first."
            )
        _open_counts[self._account_id] += 1
        self._counted = True

    def _check_permission(self, found: PermissionSnapshot) -> None:
        if found.permissions is None:
            raise SocketRejected(NOT_AUTHENTICATED, "You are logged out.")
        if self._required_permission not in found.permissions:
            raise SocketRejected(NOT_ALLOWED, "Your role here may not do this.")

    async def check(self, *, age: float = CACHE_SECONDS) -> bool:
        """Check whether the caller still has the permission; closes the socket if not."""
        found = cached_permissions(self.credentials, self.environment, age)
        if found is None:
            found = await run_in_thread(load_permissions, self.credentials, self.environment)
        try:
            self._check_permission(found)
        except SocketRejected as rejection:
            await self.end(rejection.code, str(rejection))
        return not self.ended

    async def rights_changed(self, _message: Mapping[str, Any]) -> None:
        """From the channel layer: rights changed, check now."""
        if not self.ended:
            await self.check(age=0)

    async def _check_loop(self) -> None:
        await asyncio.sleep(random.uniform(0.2, CHECK_INTERVAL))  # noqa: S311 - spread, not secrecy
        while not self.ended:
            await self.check(age=CHECK_MAX_AGE)
            if _heartbeat.is_due():
                await run_in_thread(sockets_heartbeat)
            await asyncio.sleep(CHECK_INTERVAL)

    async def _ping_loop(self) -> None:
        while not self.ended:
            await asyncio.sleep(self.ping_interval)
            await self.send_ping()

    async def send_ping(self) -> None:
        """Show an idle client that the connection is alive, and what time it is."""
        await self.send_json({"type": "ping", "at": time.time()})

    async def send_json(self, data: Mapping[str, Any]) -> None:
        """Send one JSON frame, unless the socket has ended; waits while the other side is slow."""
        await self.put(text_data=json.dumps(data))

    async def put(self, **frame: Any) -> None:
        """Send one frame of `text_data` or `bytes_data`; a peer that has just gone is not an error."""
        if not self.ended:
            with contextlib.suppress(OSError, RuntimeError):
                await self.send(**frame)

    async def end(self, code: int = 1000, reason: str = "") -> None:
        """Release everything and close."""
        if not self.ended:
            self.release()
            with contextlib.suppress(OSError, RuntimeError):
                await self.close(code=code, reason=reason.encode()[:120].decode(errors="ignore"))

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine beside the socket until it ends."""
        task = asyncio.get_running_loop().create_task(self._run_task(coroutine))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run_task(self, coroutine: Coroutine[Any, Any, None]) -> None:
        try:
            await coroutine
        except Exception:  # the socket must not stay open and silent
            log.exception("socket of %s", type(self).__name__)
            await self.end(1011, "Internal error; see the log of the portal.")

    def add_close_callback(self, close: Callable[[], None]) -> None:
        """Call `close` when the socket ends, or now if it has ended."""
        if self.ended:
            close()
        else:
            self._close_callbacks.append(close)

    def release(self) -> None:
        """Close engine streams and stop the socket's own tasks; idempotent."""
        self.ended = True
        if self._counted:
            self._counted = False
            _open_counts[self._account_id] -= 1
        current = asyncio.current_task()
        for task in self._tasks:
            if task is not current:
                task.cancel()
        while self._close_callbacks:
            try:
                self._close_callbacks.pop()()
            except Exception:
                log.exception("closing a stream of %s", type(self).__name__)


class UnknownPathSocket(AsyncWebsocketConsumer):  # type: ignore[misc]
    """A path without a socket: the handshake is refused."""

    async def connect(self) -> None:
        """Refuse the handshake."""
        await self.close(NOT_FOUND)
