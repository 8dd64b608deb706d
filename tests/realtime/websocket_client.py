"""A WebSocket client for tests, and running coroutines in threads."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any

from asgiref.testing import ApplicationCommunicator
from django.test import Client

from apps.accounts.models import User
from apps.accounts.services import NewKey
from apps.realtime.routing import websocket_application

ORIGIN = "http://portal.test"
_TIMEOUT = 30


class WebSocketClient:
    """One open WebSocket, seen from its client."""

    def __init__(self, path: str, headers: dict[str, str], extensions: dict[str, Any] | None = None) -> None:
        raw = [(name.lower().encode(), value.encode()) for name, value in {"host": "portal.test", **headers}.items()]
        where, _, query = path.partition("?")
        scope = {"type": "websocket", "path": where, "query_string": query.encode(), "headers": raw, "subprotocols": []}
        self._communicator = ApplicationCommunicator(
            websocket_application, {**scope, "client": ("127.0.0.1", 40_000), "extensions": extensions or {}}
        )

    async def open(self) -> bool:
        """Open the socket; False when the handshake is refused."""
        await self._communicator.send_input({"type": "websocket.connect"})
        return bool((await self.frame())["type"] == "websocket.accept")

    async def frame(self) -> dict[str, Any]:
        found: dict[str, Any] = await self._communicator.receive_output(_TIMEOUT)
        return found

    async def json(self, kind: str = "") -> Any:
        """The next JSON frame (of this type)."""
        while True:
            frame = await self.frame()
            assert frame["type"] == "websocket.send", frame
            data = json.loads(frame["text"])
            if not kind or data["type"] == kind:
                return data

    async def code(self) -> int:
        """The close code; frames before it are skipped."""
        while (frame := await self.frame())["type"] != "websocket.close":
            pass
        return int(frame["code"])

    async def is_silent(self, seconds: float = 0.3) -> bool:
        return bool(await self._communicator.receive_nothing(seconds))

    async def send(self, data: Any) -> None:
        kind = "bytes" if isinstance(data, bytes) else "text"
        payload = data if isinstance(data, bytes | str) else json.dumps(data)
        await self._communicator.send_input({"type": "websocket.receive", kind: payload})

    async def disconnect(self) -> None:
        with contextlib.suppress(asyncio.TimeoutError, asyncio.CancelledError):
            await self._communicator.send_input({"type": "websocket.disconnect", "code": 1000})
            await self._communicator.wait(30)

    async def __aenter__(self) -> WebSocketClient:
        assert await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.disconnect()


def session_headers(user: User) -> dict[str, str]:
    """The headers of this person's browser on one of the portal's pages."""
    client = Client()
    client.force_login(user)
    return {"cookie": f"corral_session={client.cookies['corral_session'].value}", "origin": ORIGIN}


def basic_headers(made: NewKey) -> dict[str, str]:
    coded = base64.b64encode(f"{made.key.public_value}:{made.secret}".encode()).decode()
    return {"authorization": f"Basic {coded}"}


def run_async(scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a test's coroutine in a thread of its own: the main thread may hold a loop already."""
    failures: list[BaseException] = []

    def go() -> None:
        try:
            asyncio.run(asyncio.wait_for(scenario(), 120))
        except BaseException as error:  # noqa: BLE001 - raised again in the test's thread
            failures.append(error)

    thread = threading.Thread(target=go)
    thread.start()
    thread.join()
    if failures:
        raise failures[0]


def becomes_true(condition: Callable[[], bool], seconds: float = 30) -> bool:
    until = time.monotonic() + seconds
    while not condition() and time.monotonic() < until:
        time.sleep(0.01)
    return condition()


def threads_named(*starts: str) -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith(starts)]
