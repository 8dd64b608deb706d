"""What every socket does: let in, aim at something, check rights again and again, and leave nothing behind."""

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

from apps.core.events import group, group_of_account
from apps.environments.access import Actor
from apps.environments.models import OpenSocket
from apps.environments.services import socket_closed, socket_opened, sockets_seen
from apps.realtime.door import LIFE, Caller, Rights, enter, rights, rights_known

log = logging.getLogger(__name__)

T = TypeVar("T")

NOBODY, NOT_ALLOWED, NOT_FOUND, GONE = 4401, 4403, 4404, 4410
# Together below two seconds: no right outlives its withdrawal by more.
CHECK_EVERY = 1.5
CHECK_AGE = 0.4

# Each may cost a thread or two and an engine connection: nobody shall use them up for the others.
MOST_SOCKETS = 200
_open: Counter[int] = Counter()

# Not asgiref's one shared thread: one slow query there would hold up every socket.
_POOL = ThreadPoolExecutor(8, thread_name_prefix="sockets")


class _Beat:
    """When this process last said that it still holds its sockets: any of them says it for all."""

    last = 0.0

    def is_due(self) -> bool:
        """Whether to say it now; true once in every `OpenSocket.BEAT`."""
        now = time.monotonic()
        if now - self.last < OpenSocket.BEAT.total_seconds():
            return False
        self.last = now
        return True


_beat = _Beat()


async def in_thread(call: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    """Run something that blocks (the database, an engine) beside the event loop."""
    answer: T = await database_sync_to_async(call, thread_sensitive=False, executor=_POOL)(*args, **kwargs)
    return answer


class Refusal(Exception):
    """The socket is closed with this code; `str()` is the reason that is sent along."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class Socket(AsyncWebsocketConsumer):  # type: ignore[misc]
    """One WebSocket, bound to one environment (None: the whole installation).

    Subclasses say which `verb` a ticket must be for, which `permission` is needed all the time, how often they ping
    (0: never), what the socket aims at (`aim`) and what it does (`begin`). Refusals are closes after the handshake: a
    browser cannot read others.
    """

    verb: ClassVar[str]
    permission: ClassVar[str]
    ping_every = 15.0

    caller: Caller

    def __init__(self) -> None:
        super().__init__()
        self.environment: int | None = None
        self.ended = False
        self._account = 0
        self._row = 0
        self._counted = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._closers: list[Callable[[], None]] = []

    def aim(self, actor: Actor) -> int | None:
        """Find what the caller wants (in a thread) and say in which environment it is; raises `Refusal`."""
        raise NotImplementedError

    def refused(self, refusal: Refusal) -> None:
        """Called (in a thread) with the refusal of whoever is not let in; most of them need no word."""

    async def begin(self) -> None:
        """Start sending; the handshake is done and the caller may be here."""
        raise NotImplementedError

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """As the base's, but whatever ends the socket (also a cancelled task) lets go of everything."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self.release()
            await self._sign_off()

    async def _sign_off(self) -> None:
        for name in self.groups:
            with contextlib.suppress(Exception):
                await self.channel_layer.group_discard(name, self.channel_name)
        if self._row:
            with contextlib.suppress(Exception):  # or else it is stale in a minute
                await in_thread(socket_closed, self._row)

    async def dispatch(self, message: dict[str, Any]) -> None:
        """Call the handler if there is one: every socket hears its whole environment."""
        handler = getattr(self, get_handler_name(message), None)
        if handler:
            await handler(message)

    async def websocket_disconnect(self, _message: Mapping[str, Any]) -> None:
        """The other side is gone; `__call__` cleans up."""
        raise StopConsumer

    async def connect(self) -> None:
        """Find out who it is before anything else, accept, and close again unless all is well."""
        try:
            await in_thread(self._enter)
            self._count()
        except Refusal as refusal:
            await self.accept()
            try:
                await in_thread(self.refused, refusal)
            finally:
                await self.end(refusal.code, str(refusal))
            return
        await self.accept()
        for name in (group(self.environment), group_of_account(self._account)):
            self.groups.append(name)
            await self.channel_layer.group_add(name, self.channel_name)
        await self.check(age=0)  # between the first look and the group's door something may have changed
        if not self.ended:
            self.spawn(self._keep_checking())
            if self.ping_every:
                self.spawn(self._keep_pinging())
            await self.begin()

    def _enter(self) -> None:
        caller = enter(self.scope, self.verb)
        actor = caller.actor() if caller else None
        if caller is None or actor is None:
            raise Refusal(NOBODY, "Log in first.")
        self.caller = caller
        self._account = actor.user.pk if actor.user else 0
        self.environment = self.aim(actor)
        self._insist(rights(caller, self.environment))
        self._row = self._register(actor)

    def _register(self, actor: Actor) -> int:
        return socket_opened(
            account=actor.user.pk if actor.user else None,
            key=self.caller.key,
            environment=self.environment,
            verb=self.verb,
            permission=self._needed,
            address=self.caller.address,
        )

    @property
    def _needed(self) -> str:
        return self.permission if self.environment is not None else "admin"

    def _count(self) -> None:
        if _open[self._account] >= MOST_SOCKETS:
            raise Refusal(NOT_ALLOWED, f"This account has {MOST_SOCKETS} open connections already; close some first.")
        _open[self._account] += 1
        self._counted = True

    def _insist(self, found: Rights) -> None:
        if found.held is None:
            raise Refusal(NOBODY, "You are logged out.")
        if self._needed not in found.held:
            raise Refusal(NOT_ALLOWED, "Your role here may not do this.")

    async def check(self, *, age: float = LIFE) -> bool:
        """Whether the caller may still be here; closes the socket if not."""
        found = rights_known(self.caller, self.environment, age)
        if found is None:
            found = await in_thread(rights, self.caller, self.environment)
        try:
            self._insist(found)
        except Refusal as refusal:
            await self.end(refusal.code, str(refusal))
        return not self.ended

    async def rights_changed(self, _message: Mapping[str, Any]) -> None:
        """Somebody's rights in this environment changed: look at once."""
        if not self.ended:
            await self.check(age=0)

    async def _keep_checking(self) -> None:
        await asyncio.sleep(random.uniform(0.2, CHECK_EVERY))  # noqa: S311 - spread, not secrecy
        while not self.ended:
            await self.check(age=CHECK_AGE)
            if _beat.is_due():
                await in_thread(sockets_seen)
            await asyncio.sleep(CHECK_EVERY)

    async def _keep_pinging(self) -> None:
        while not self.ended:
            await asyncio.sleep(self.ping_every)
            await self.ping_out()

    async def ping_out(self) -> None:
        """Show a client that hears nothing else that the line is alive."""
        await self.say({"type": "ping"})

    async def say(self, data: Mapping[str, Any]) -> None:
        """Send one JSON frame, unless the socket has ended; waits while the other side is slow."""
        await self.put(text_data=json.dumps(data))

    async def put(self, **frame: Any) -> None:
        """Send one frame of `text_data` or `bytes_data`; a peer that has just gone is no error."""
        if not self.ended:
            with contextlib.suppress(OSError, RuntimeError):
                await self.send(**frame)

    async def end(self, code: int = 1000, reason: str = "") -> None:
        """Let go of everything and close."""
        if not self.ended:
            self.release()
            with contextlib.suppress(OSError, RuntimeError):
                await self.close(code=code, reason=reason.encode()[:120].decode(errors="ignore"))

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine beside the socket until it ends."""
        task = asyncio.get_running_loop().create_task(self._guarded(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception:  # the socket must not stay open and silent
            log.exception("socket of %s", type(self).__name__)
            await self.end(1011, "The portal made a mistake; its log says more.")

    def hold(self, close: Callable[[], None]) -> None:
        """Have `close` called when the socket ends, or now if it has."""
        if self.ended:
            close()
        else:
            self._closers.append(close)

    def release(self) -> None:
        """Close engine streams and stop the socket's own tasks; safe to repeat."""
        self.ended = True
        if self._counted:
            self._counted = False
            _open[self._account] -= 1
        current = asyncio.current_task()
        for task in self._tasks:
            if task is not current:
                task.cancel()
        while self._closers:
            try:
                self._closers.pop()()
            except Exception:
                log.exception("closing a stream of %s", type(self).__name__)


class Nowhere(AsyncWebsocketConsumer):  # type: ignore[misc]
    """An address that is no socket: the handshake is refused."""

    async def connect(self) -> None:
        """Say no."""
        await self.close(NOT_FOUND)
