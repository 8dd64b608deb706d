"""Heads are limited where they are parsed; played on a transport in memory with a clock turned by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from uvicorn import Config
from uvicorn.server import ServerState

from portal.front_door import http_protocol, limits
from portal.front_door.connections import OpenConnections
from portal.front_door.http_protocol import GuardedHttpProtocol, GuardedWebSocketProtocol
from portal.front_door.refusals import Receive, Scope, Send


class Transport:
    """What a client would see: everything written, and how the connection ended."""

    def __init__(self, address: str = "192.0.2.1") -> None:
        self.written = b""
        self.closed = self.aborted = False
        self._address = address

    def get_extra_info(self, name: str) -> Any:
        return (self._address, 4711) if name in {"peername", "sockname"} else None

    def write(self, data: bytes) -> None:
        assert not self.closed, "written after the end"
        self.written += data

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = self.aborted = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol

    @property
    def status(self) -> int:
        return int(self.written.split(b" ", 2)[1]) if self.written else 0


class Timer:
    def __init__(self, seconds: float, call: Callable[..., None]) -> None:
        self.seconds, self.call, self.cancelled = seconds, call, False

    def cancel(self) -> None:
        self.cancelled = True


class Loop:
    """An event loop that starts what it is given and waits for `turn`."""

    def __init__(self, real: asyncio.AbstractEventLoop) -> None:
        self.timers: list[Timer] = []
        self._real = real

    def create_task(self, coroutine: Any) -> Any:
        return self._real.create_task(coroutine)

    def call_later(self, seconds: float, call: Callable[..., None], *args: Any) -> Timer:
        self.timers.append(Timer(seconds, lambda: call(*args)))
        return self.timers[-1]

    def pending(self) -> list[float]:
        return [timer.seconds for timer in self.timers if not timer.cancelled]

    def turn(self, seconds: float) -> None:
        """Let every timer that is due by then go off."""
        due = [timer for timer in self.timers if not timer.cancelled and timer.seconds <= seconds]
        self.timers = [timer for timer in self.timers if timer not in due]
        for timer in due:
            timer.call()

    def settle(self) -> None:
        """Run what can be run."""
        for _ in range(5):
            self._real.run_until_complete(asyncio.sleep(0))


async def answer_ok(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok", "more_body": False})


@pytest.fixture
def house(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Opens connections: `open(address)` answers the protocol and its transport; `loop`, `http`, `sockets`."""
    http, sockets = OpenConnections(3, 2), OpenConnections(2, 1)
    monkeypatch.setattr(http_protocol, "http_connections", lambda: http)
    monkeypatch.setattr(http_protocol, "websocket_connections", lambda: sockets)
    real = asyncio.new_event_loop()
    loop = Loop(real)
    config = Config(
        answer_ok, http=GuardedHttpProtocol, ws=GuardedWebSocketProtocol, lifespan="off", proxy_headers=False,
        timeout_keep_alive=limits.IDLE_SECONDS, log_config=None,
    )  # fmt: skip
    config.load()

    def connect(address: str = "192.0.2.1") -> tuple[GuardedHttpProtocol, Transport]:
        protocol = GuardedHttpProtocol(config=config, server_state=ServerState(), app_state={}, _loop=loop)
        transport = Transport(address)
        protocol.connection_made(transport)  # type: ignore[arg-type]
        return protocol, transport

    asyncio.set_event_loop(real)
    yield SimpleNamespace(open=connect, loop=loop, http=http, sockets=sockets)
    loop.settle()
    asyncio.set_event_loop(None)
    real.close()


HEAD = b"GET /login HTTP/1.1\r\nHost: x\r\n"


def test_a_request_is_answered_and_its_connection_lives_a_minute_at_least(house: Any):
    protocol, transport = house.open()
    protocol.data_received(HEAD + b"\r\n")
    house.loop.settle()
    assert (transport.status, transport.closed) == (200, False)
    assert house.loop.pending() == [limits.IDLE_SECONDS]
    house.loop.turn(60)
    assert not transport.closed
    house.loop.turn(limits.IDLE_SECONDS)
    assert transport.closed


@pytest.mark.parametrize("part", [HEAD, b"G", b"GET /?" + b"a" * 1000])
def test_a_head_that_is_not_ended_is_timed_out(house: Any, part: bytes):
    protocol, transport = house.open()
    protocol.data_received(part)
    house.loop.turn(limits.HEAD_SECONDS - 1)
    assert not transport.closed
    house.loop.turn(limits.HEAD_SECONDS)
    assert (transport.status, transport.closed) == (408, True)


def test_a_head_sent_byte_by_byte_gets_no_more_time(house: Any):
    protocol, _ = house.open()
    for byte in HEAD:
        protocol.data_received(bytes([byte]))
    assert house.loop.pending() == [limits.HEAD_SECONDS]


def test_a_connection_opened_in_advance_is_closed_without_a_word(house: Any):
    _, transport = house.open()
    house.loop.turn(limits.HEAD_SECONDS)
    assert (transport.written, transport.closed) == (b"", True)


def test_a_blank_line_does_not_keep_an_idle_connection_for_ever(house: Any):
    protocol, transport = house.open()
    protocol.data_received(HEAD + b"\r\n")
    house.loop.settle()
    protocol.data_received(b"\r\n")
    assert house.loop.pending() == [limits.HEAD_SECONDS]
    house.loop.turn(limits.HEAD_SECONDS)
    assert transport.closed


def test_the_next_head_on_a_connection_has_a_deadline_too(house: Any):
    protocol, transport = house.open()
    protocol.data_received(HEAD + b"\r\n")
    house.loop.settle()
    protocol.data_received(HEAD)
    house.loop.turn(limits.HEAD_SECONDS)
    assert b" 408 " in transport.written
    assert transport.closed


@pytest.mark.parametrize(
    "data",
    [
        HEAD + b"X-A: " + b"a" * 2_000_000,
        b"GET /?" + b"a" * 1_000_000,
        b"".join(b"X-%d: a\r\n" % number for number in range(5000)),
    ],
)
def test_a_large_head_is_refused_while_it_comes(house: Any, data: bytes):
    protocol, transport = house.open()
    data = data if data.startswith(b"GET") else HEAD + data
    taken = 0
    while taken < len(data) and not transport.closed:
        protocol.data_received(data[taken : taken + 4096])
        taken += 4096
    assert (transport.status, transport.closed) == (431, True)
    assert taken <= limits.MAX_HEAD_SIZE + 4096


@pytest.mark.parametrize(
    "fields", [b"X-A: " + b"a" * limits.MAX_HEAD_SIZE + b"\r\n", b"X-A: a\r\n" * limits.MAX_HEADERS]
)
def test_a_large_head_that_comes_at_once_is_refused(house: Any, fields: bytes):
    protocol, transport = house.open()
    protocol.data_received(HEAD + fields + b"\r\n")
    house.loop.settle()
    assert (transport.status, transport.closed) == (431, True)


def test_fields_after_a_body_count_as_well(house: Any):
    protocol, transport = house.open()
    protocol.data_received(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n")
    for _ in range(100):
        if not transport.closed:
            protocol.data_received(b"X-A: " + b"a" * 1000 + b"\r\n")
    assert transport.aborted


def test_a_client_beyond_its_share_is_told_so(house: Any):
    opened = [house.open() for _ in range(3)]
    for protocol, _ in opened:
        protocol.data_received(HEAD + b"\r\n")
    house.loop.settle()
    assert [transport.status for _, transport in opened] == [200, 200, 503]
    refused = opened[2][1]
    assert refused.closed
    assert b"retry-after: 5\r\n" in refused.written
    assert b"Retry" not in opened[0][1].written
    other, transport = house.open("192.0.2.2")
    other.data_received(HEAD + b"\r\n")
    house.loop.settle()
    assert transport.status == 200


def test_whoever_floods_is_cut_off(house: Any):
    assert [house.open()[1].aborted for _ in range(6)] == [False] * 4 + [True] * 2


def test_a_lost_connection_is_forgotten_once(house: Any):
    protocol, _ = house.open()
    assert house.http.count == 1
    protocol.connection_lost(None)
    assert house.http.count == 0
    assert house.loop.pending() == []


UPGRADE = (
    HEAD + b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def test_a_websocket_is_counted_apart_and_has_no_deadline(house: Any):
    protocol, transport = house.open()
    protocol.data_received(UPGRADE)
    assert (house.http.count, house.sockets.count) == (0, 1)
    assert limits.HEAD_SECONDS not in house.loop.pending()
    transport.protocol.connection_lost(None)
    assert house.sockets.count == 0


@pytest.mark.parametrize(
    ("path", "pings"),
    [("/ws/events", 1), ("/v1/agents", 1), ("/v1/agent", 0), ("/v1/agent/", 0), ("/v1/agent?a=b", 0)],
)
def test_a_websocket_is_sent_pings_unless_it_is_an_agent_s(
    house: Any, monkeypatch: pytest.MonkeyPatch, path: str, pings: int
):
    scheduled: list[object] = []
    monkeypatch.setattr(GuardedWebSocketProtocol, "schedule_ping", lambda _self: scheduled.append(path))
    protocol, transport = house.open()
    protocol.data_received(UPGRADE.replace(b"/login", path.encode()))
    transport.protocol.start_keepalive()
    assert len(scheduled) == pings


def test_too_many_websockets_are_refused_before_the_handshake(house: Any):
    house.open()[0].data_received(UPGRADE)
    protocol, transport = house.open()
    protocol.data_received(UPGRADE)
    assert (transport.status, transport.closed) == (503, True)
    assert house.sockets.count == 1


def test_a_large_head_is_refused_to_websockets_too(house: Any):
    protocol, transport = house.open()
    protocol.data_received(UPGRADE.replace(b"Host: x", b"X: y\r\n" * 101 + b"Host: x"))
    assert (transport.status, transport.closed) == (431, True)
