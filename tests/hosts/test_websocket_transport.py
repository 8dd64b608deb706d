"""A WebSocket as a connection of SSH: nothing is lost before anybody listens, nothing is written after the end."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from apps.hosts.tunnels.websocket_transport import MAX_EARLY_BYTES, MAX_FRAME_SIZE, WebSocketTransport


class RecordingProtocol(asyncio.Protocol):
    """Notes what it hears."""

    def __init__(self, *, fails: bool = False) -> None:
        self.received: list[Any] = []
        self._fails = fails

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.received.append(transport)

    def data_received(self, data: bytes) -> None:
        self.received.append(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.received.append(exc)
        if self._fails:
            raise RuntimeError("whatever SSH thinks of it")


def on_line(act: Any) -> Any:
    """What comes of `act` with a line whose loop runs."""

    async def scenario() -> Any:
        return await act(WebSocketTransport("10.0.0.9"))

    return asyncio.run(scenario())


async def drained(line: WebSocketTransport) -> list[bytes]:
    """Every frame until the line has ended; it must have been closed."""
    found = []
    while frame := await line.next_frame():
        found.append(frame)
    return found


def test_what_came_early_is_heard_after_the_beginning() -> None:
    async def act(line: WebSocketTransport) -> tuple[WebSocketTransport, RecordingProtocol]:
        ear = RecordingProtocol()
        line.feed(b"SSH-2.0")
        line.feed(b"-agent\r\n")
        line.attach(ear)
        line.feed(b"more")
        return line, ear

    line, ear = on_line(act)
    assert ear.received == [line, b"SSH-2.0-agent\r\n", b"more"]


def test_nothing_early_is_no_data() -> None:
    async def act(line: WebSocketTransport) -> list[Any]:
        ear = RecordingProtocol()
        line.attach(ear)
        return ear.received

    assert len(on_line(act)) == 1


@pytest.mark.parametrize(
    "pieces", [[MAX_EARLY_BYTES + 1], [MAX_EARLY_BYTES - 1, 5], [MAX_EARLY_BYTES, MAX_EARLY_BYTES], [1] * 3]
)
def test_a_peer_that_talks_before_anybody_listens_is_not_kept_for_ever(pieces: list[int]) -> None:
    async def act(line: WebSocketTransport) -> int:
        ear = RecordingProtocol()
        for size in pieces:
            line.feed(b"x" * size)
        line.attach(ear)
        return len(ear.received[1])

    assert on_line(act) == min(sum(pieces), MAX_EARLY_BYTES)


def test_a_line_lost_before_anybody_listened_ends_at_once() -> None:
    async def act(line: WebSocketTransport) -> list[Any]:
        ear = RecordingProtocol()
        line.feed(b"hello")
        line.mark_lost()
        line.attach(ear)
        return ear.received[1:]

    assert on_line(act) == [b"hello", None]


def test_the_loss_is_reported_once_and_nothing_is_received_after_it() -> None:
    async def act(line: WebSocketTransport) -> list[Any]:
        ear = RecordingProtocol()
        line.attach(ear)
        line.mark_lost()
        line.mark_lost()
        line.feed(b"late")
        return ear.received[1:]

    assert on_line(act) == [None]


def test_a_protocol_that_fails_at_the_loss_harms_nobody() -> None:
    async def act(line: WebSocketTransport) -> tuple[bool, bytes]:
        line.attach(RecordingProtocol(fails=True))
        line.mark_lost()
        return line.is_closing(), await line.next_frame()

    assert on_line(act) == (True, b"")


def test_what_was_written_leaves_together() -> None:
    async def act(line: WebSocketTransport) -> bytes:
        line.write(b"one,")
        line.write(bytearray(b"two,"))
        line.write(memoryview(b"three"))
        return await line.next_frame()

    assert on_line(act) == b"one,two,three"


def test_a_buffer_that_the_writer_uses_again_is_copied() -> None:
    async def act(line: WebSocketTransport) -> bytes:
        buffer = bytearray(b"first")
        line.write(buffer)
        buffer[:] = b"XXXXX"
        return await line.next_frame()

    assert on_line(act) == b"first"


@pytest.mark.parametrize(
    ("pieces", "frames"),
    [
        pytest.param([10, 10], [20], id="small ones together"),
        pytest.param([MAX_FRAME_SIZE, 10], [MAX_FRAME_SIZE, 10], id="a full frame goes alone"),
        pytest.param(
            [MAX_FRAME_SIZE - 1, 10, 10], [MAX_FRAME_SIZE + 9, 10], id="a frame is full when it has reached its size"
        ),
        pytest.param([3 * MAX_FRAME_SIZE], [3 * MAX_FRAME_SIZE], id="one piece is never split"),
        pytest.param([], [], id="nothing"),
    ],
)
def test_frames_are_bounded_by_pieces(pieces: list[int], frames: list[int]) -> None:
    async def act(line: WebSocketTransport) -> list[int]:
        for size in pieces:
            line.write(b"x" * size)
        line.close()
        return [len(frame) for frame in await drained(line)]

    assert on_line(act) == frames


def test_a_waiting_sender_resumes_at_the_next_write() -> None:
    async def act(line: WebSocketTransport) -> list[bytes]:
        waiting = asyncio.ensure_future(line.next_frame())
        await asyncio.sleep(0)
        assert not waiting.done()
        line.write(b"now")
        found = [await waiting]
        waiting = asyncio.ensure_future(line.next_frame())
        await asyncio.sleep(0)
        line.write(b"again")
        return [*found, await waiting]

    assert on_line(act) == [b"now", b"again"]


@pytest.mark.parametrize("how", ["close", "abort", "mark_lost"])
def test_who_waits_is_let_go_at_the_end(how: str) -> None:
    async def act(line: WebSocketTransport) -> bytes:
        waiting = asyncio.ensure_future(line.next_frame())
        await asyncio.sleep(0)
        getattr(line, how)()
        return await asyncio.wait_for(waiting, 1)

    assert on_line(act) == b""


@pytest.mark.parametrize(("how", "left"), [("close", [b"last words"]), ("abort", []), ("mark_lost", [b"last words"])])
def test_closing_lets_the_last_words_out_and_aborting_does_not(how: str, left: list[bytes]) -> None:
    async def act(line: WebSocketTransport) -> list[bytes]:
        line.write(b"last words")
        getattr(line, how)()
        line.write(b"too late")
        return await drained(line)

    assert on_line(act) == left


def test_the_buffer_s_size_is_what_waits() -> None:
    async def act(line: WebSocketTransport) -> list[int]:
        sizes = [line.get_write_buffer_size()]
        line.write(b"12345")
        line.write(b"")
        line.write(b"678")
        sizes.append(line.get_write_buffer_size())
        await line.next_frame()
        return [*sizes, line.get_write_buffer_size()]

    assert on_line(act) == [0, 8, 0]


def test_it_knows_its_peer_and_who_listens() -> None:
    async def act(line: WebSocketTransport) -> None:
        assert line.get_extra_info("peername") == ("10.0.0.9", 0)
        with pytest.raises(RuntimeError, match="nobody"):
            line.get_protocol()
        ear = RecordingProtocol()
        line.attach(ear)
        assert line.get_protocol() is ear
        with pytest.raises(NotImplementedError):
            line.set_protocol(ear)

    on_line(act)


@pytest.mark.parametrize(("how", "closing"), [(None, False), ("close", True), ("abort", True), ("mark_lost", True)])
def test_it_says_whether_it_is_closing(how: str | None, closing: bool) -> None:
    async def act(line: WebSocketTransport) -> bool:
        if how:
            getattr(line, how)()
        return line.is_closing()

    assert on_line(act) is closing
