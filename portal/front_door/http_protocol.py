"""uvicorn's HTTP and WebSocket protocols with limits on heads and connections: both are unknown to an application."""

from __future__ import annotations

import asyncio
import functools
from typing import Any

from django.conf import settings
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.utils import get_remote_addr
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from portal.front_door import limits, refusals
from portal.front_door.connections import OpenConnections
from portal.front_door.refusals import Application, Refusal

_FLOODED_HEAD_SECONDS = 2.0  # whoever is refused anyway need not be waited for


@functools.cache
def http_connections() -> OpenConnections:
    """The HTTP connections of this process."""
    return OpenConnections(limits.MAX_CONNECTIONS, limits.MAX_CONNECTIONS_PER_CLIENT, tuple(settings.TRUSTED_PROXIES))


@functools.cache
def websocket_connections() -> OpenConnections:
    """The WebSockets of this process, which live for days and are counted apart."""
    return OpenConnections(limits.MAX_WEBSOCKETS, limits.MAX_WEBSOCKETS_PER_CLIENT, tuple(settings.TRUSTED_PROXIES))


def _address(transport: asyncio.Transport) -> str:
    """The address of whoever is connected, empty for a Unix socket."""
    return str((get_remote_addr(transport) or ("",))[0])


class GuardedHttpProtocol(HttpToolsProtocol):  # type: ignore[misc]
    """One HTTP connection: its heads have a size, a number of fields and a deadline."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._application: Application = self.app  # type: ignore[has-type]
        self._connections = http_connections()
        self._peer: str | None = None
        self._refusal: Refusal | None = None
        self._awaits_head = True
        self._head_size = self._fields_size = 0
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Admit the connection, or prepare its refusal."""
        super().connection_made(transport)
        self._peer = _address(transport)
        if not self._connections.add(self._peer):
            self._refusal = refusals.TOO_MANY_CONNECTIONS
            if self._connections.is_flooded(self._peer):
                transport.abort()
        self._start_head_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._leave()
        super().connection_lost(exc)

    def _leave(self) -> None:
        self._stop_head_timer()
        self._connections.set_idle(self, idle=False)
        if self._peer is not None:
            self._connections.remove(self._peer)
            self._peer = None

    def close_idle(self) -> None:
        """Make room for another connection."""
        self._connections.set_idle(self, idle=False)
        self.timeout_keep_alive_handler()

    def data_received(self, data: bytes) -> None:
        """Take bytes; while they belong to a head they are counted before the parser keeps them."""
        self._connections.set_idle(self, idle=False)
        if self._awaits_head:
            self._head_size += len(data)
            # Also for a blank line before a head, which ends uvicorn's own timer and starts nothing.
            self._start_head_timer()
        super().data_received(data)
        if self._awaits_head and self._head_size > limits.MAX_HEAD_SIZE:
            self._close_with(refusals.HEAD_TOO_LARGE)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count a header; those that follow a chunked body are kept just like the others."""
        self._fields_size += len(name) + len(value)
        if self._fields_size > 2 * limits.MAX_HEAD_SIZE:
            self.transport.abort()
        super().on_header(name, value)

    def on_message_begin(self) -> None:
        """A head begins."""
        self._fields_size = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The head is complete: refuse it by its size, or pass it on."""
        self._awaits_head = False
        self._stop_head_timer()
        size = self._fields_size + len(self.url)
        if size > limits.MAX_HEAD_SIZE or len(self.headers) > limits.MAX_HEADERS:
            self._refusal = self._refusal or refusals.HEAD_TOO_LARGE
        self.app = self._refusal or self._application
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """A request is complete: what follows is the next head."""
        super().on_message_complete()
        self._awaits_head, self._head_size = True, 0

    def on_response_complete(self) -> None:
        """A request is answered: the connection waits for the next one, and may be closed to make room."""
        super().on_response_complete()
        if self.timeout_keep_alive_task is not None and not self.transport.is_closing():
            self._connections.set_idle(self, idle=True)

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection over, unless too many are open."""
        sockets = websocket_connections()
        if self._refusal is None and not sockets.has_room(self._peer or ""):
            self._refusal = refusals.TOO_MANY_CONNECTIONS
        if self._refusal is not None:
            self._close_with(self._refusal)
            return
        self._leave()
        super().handle_websocket_upgrade()

    def _start_head_timer(self) -> None:
        if self._head_timer is None:
            seconds = limits.HEAD_SECONDS if self._refusal is None else _FLOODED_HEAD_SECONDS
            self._head_timer = self.loop.call_later(seconds, self._on_slow_head)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _on_slow_head(self) -> None:
        self._head_timer = None
        is_answering = self.cycle is not None and not self.cycle.response_complete
        if self.transport.is_closing() or not self._awaits_head:
            return
        if is_answering:  # a part of the next head came early; its time begins with the answer's end
            self._start_head_timer()
        elif self._head_size:
            self._close_with(self._refusal or refusals.HEAD_TOO_SLOW)
        else:  # browsers open connections in advance
            self.transport.close()

    def _close_with(self, refusal: Refusal) -> None:
        """Answer a request that never became one, and close."""
        self._stop_head_timer()
        if not self.transport.is_closing():
            self.transport.write(refusal.as_bytes())
            self.transport.close()


class GuardedWebSocketProtocol(WebSocketsSansIOProtocol):  # type: ignore[misc]
    """One WebSocket, counted for as long as it is connected."""

    _peer: str | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Count it."""
        self._peer = _address(transport)
        websocket_connections().add(self._peer)
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        if self._peer is not None:
            websocket_connections().remove(self._peer)
            self._peer = None
        super().connection_lost(exc)

    def start_keepalive(self) -> None:
        """Send pings, to others than agents."""
        path = self.request.path.partition("?")[0].rstrip("/")
        if path != limits.AGENT_PATH:
            super().start_keepalive()
