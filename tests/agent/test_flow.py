"""Bytes between two peers come out as they went in, wherever the network cuts them, and end where they say."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corral_agent.engine_proxy.http_head import HEAD_LIMIT, BadMessage
from corral_agent.engine_proxy.streams import (
    CHUNK,
    MessageReader,
    cancel_on_disconnect,
    duplex,
    forward,
)
from tests.agent.memory_streams import RecordingSink, ScriptedSource, split_at

PLACES = st.lists(st.integers(0, 10_000), max_size=6)


async def whole(pieces: AsyncIterator[bytes]) -> bytes:
    return b"".join([piece async for piece in pieces])


async def delivered_pieces(pieces: list[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


def chunked(payloads: list[bytes]) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(payload), payload) for payload in payloads if payload) + b"0\r\n\r\n"


@given(payloads=st.lists(st.binary(max_size=40), max_size=5), after=st.binary(max_size=10), places=PLACES)
def test_a_chunked_body_is_its_payloads_and_not_a_byte_of_what_follows(
    payloads: list[bytes], after: bytes, places: list[int]
):
    async def scenario() -> None:
        reader = MessageReader(ScriptedSource(split_at(chunked(payloads) + after, places)))
        assert await whole(reader.read_chunked()) == b"".join(payloads)
        assert await whole(reader.read_to_end()) == after

    asyncio.run(scenario())


@given(data=st.binary(max_size=60), more=st.binary(max_size=20), places=PLACES)
def test_a_counted_body_is_as_long_as_was_said(data: bytes, more: bytes, places: list[int]):
    async def scenario() -> None:
        reader = MessageReader(ScriptedSource(split_at(data + more, places)))
        assert await whole(reader.read_exactly(len(data))) == data
        assert await whole(reader.read_to_end()) == more

    asyncio.run(scenario())


@given(
    heads=st.lists(st.binary(min_size=1, max_size=30).filter(lambda text: b"\r" not in text), max_size=4),
    places=PLACES,
)
def test_heads_are_distinguished_wherever_they_are_cut(heads: list[bytes], places: list[int]):
    async def scenario() -> None:
        reader = MessageReader(ScriptedSource(split_at(b"".join(head + b"\r\n\r\n" for head in heads), places)))
        assert [await reader.head() for _ in heads] == heads
        assert await reader.head() == b""

    asyncio.run(scenario())


@given(payloads=st.lists(st.binary(min_size=1, max_size=40), max_size=5), places=PLACES)
def test_what_is_poured_in_chunks_is_read_again(payloads: list[bytes], places: list[int]):
    async def scenario() -> None:
        sink = RecordingSink()
        await forward(delivered_pieces(payloads), sink, chunked=True)
        reader = MessageReader(ScriptedSource(split_at(sink.data, places)))
        assert await whole(reader.read_chunked()) == b"".join(payloads)
        assert sink.drained == len(payloads) + 1, "who pours waits for room after every piece"

    asyncio.run(scenario())


def test_what_is_poured_plainly_has_nothing_around_it():
    async def scenario() -> None:
        sink = RecordingSink()
        await forward(delivered_pieces([b"ab", b"c"]), sink)
        assert (sink.data, sink.ended, sink.closed) == (b"abc", False, False)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing at all"),
        pytest.param(b"5\r\nabc", id="cut in a chunk"),
        pytest.param(b"3\r\nabc", id="cut before the chunk's end"),
        pytest.param(b"3\r\nabcdef\r\n0\r\n\r\n", id="longer than it said"),
        pytest.param(b"-1\r\nabc\r\n0\r\n\r\n", id="a negative size"),
        pytest.param(b"+3\r\nabc\r\n0\r\n\r\n", id="a sign"),
        pytest.param(b"0x3\r\nabc\r\n0\r\n\r\n", id="a prefix"),
        pytest.param(b" 3\r\nabc\r\n0\r\n\r\n", id="a blank before"),
        pytest.param(b"3 \r\nabc\r\n0\r\n\r\n", id="a blank after"),
        pytest.param(b"3_0\r\nabc\r\n0\r\n\r\n", id="an underscore as Python writes numbers"),
        pytest.param(b"3;name=value\r\nabc\r\n0\r\n\r\n", id="an extension"),
        pytest.param(b"\r\nabc\r\n0\r\n\r\n", id="no size"),
        pytest.param(b"1000000000000000\r\n", id="a size of 16 digits"),
        pytest.param(b"3\nabc\n0\n\n", id="bare line ends"),
        pytest.param(b"0\r\nX: y\r\n\r\n", id="a trailer"),
        pytest.param(b"0\r\n", id="cut at the very end"),
        pytest.param(b"0" * 300 + b"\r\n\r\n", id="a size without an end"),
    ],
)
def test_a_chunked_body_with_two_readings_is_refused(body: bytes):
    async def scenario() -> None:
        with pytest.raises(BadMessage):
            await whole(MessageReader(ScriptedSource([body])).read_chunked())

    asyncio.run(scenario())


@pytest.mark.parametrize("there", [0, 1, 9])
def test_a_body_that_ends_early_is_no_body(there: int):
    async def scenario() -> None:
        with pytest.raises(BadMessage, match="in the middle of a body"):
            await whole(MessageReader(ScriptedSource([b"x" * there])).read_exactly(10))

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("size", "refused"), [(HEAD_LIMIT - 1, False), (HEAD_LIMIT, False), (HEAD_LIMIT + 1, True), (HEAD_LIMIT * 3, True)]
)
def test_a_head_has_a_longest_size(size: int, *, refused: bool):
    async def scenario() -> None:
        reader = MessageReader(ScriptedSource(split_at(b"h" * size + b"\r\n\r\n", range(0, size, CHUNK))))
        if refused:
            with pytest.raises(BadMessage) as error:
                await reader.head()
            assert error.value.status == 431
        else:
            assert len(await reader.head()) == size

    asyncio.run(scenario())


def test_a_head_without_an_end_is_given_up_before_it_fills_the_memory():
    async def scenario() -> None:
        source = ScriptedSource([b"h" * CHUNK] * 100)
        with pytest.raises(BadMessage):
            await MessageReader(source).head()
        assert len(await source.read(CHUNK)) == CHUNK, "the rest was left with the peer"

    asyncio.run(scenario())


def test_a_peer_that_ends_in_a_head_says_so():
    async def scenario() -> None:
        with pytest.raises(BadMessage, match="in the middle of a message"):
            await MessageReader(ScriptedSource([b"GET / HT"])).head()

    asyncio.run(scenario())


@pytest.mark.parametrize("limit", [1, 3, 100])
def test_a_piece_is_no_larger_than_asked_for(limit: int):
    async def scenario() -> None:
        reader = MessageReader(ScriptedSource([b"abcdefgh"]))
        got = b""
        while piece := await reader.read_some(limit):
            assert len(piece) <= limit
            got += piece
        assert got == b"abcdefgh"

    asyncio.run(scenario())


def test_both_directions_are_carried_and_our_end_is_passed_on():
    async def scenario() -> None:
        engine_says, portal_hears, engine_hears = asyncio.StreamReader(), RecordingSink(), RecordingSink()
        carrying = asyncio.ensure_future(
            duplex(MessageReader(ScriptedSource([b"keys"])), portal_hears, MessageReader(engine_says), engine_hears)
        )
        while not engine_hears.ended:  # noqa: ASYNC110  # a handful of turns
            await asyncio.sleep(0)
        assert engine_hears.data == b"keys"
        assert not carrying.done(), "the engine may go on speaking"
        engine_says.feed_data(b"shown")
        engine_says.feed_eof()
        await asyncio.wait_for(carrying, 5)
        assert portal_hears.data == b"shown"

    asyncio.run(scenario())


def limited(scenario: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(scenario(), 5))


def test_work_for_a_peer_that_has_gone_is_broken_off():
    async def scenario() -> None:
        reader = MessageReader(ScriptedSource([]))
        with pytest.raises(ConnectionResetError, match="disconnected"):
            async with cancel_on_disconnect(reader):
                await asyncio.Event().wait()
        await asyncio.sleep(0)  # the task itself goes on as if nothing had been cancelled

    limited(scenario)


def test_work_for_a_peer_that_stays_is_done_and_what_it_said_meanwhile_is_kept():
    async def scenario() -> None:
        source = asyncio.StreamReader()
        reader = MessageReader(source)
        async with cancel_on_disconnect(reader):
            source.feed_data(b"next\r\n\r\n")
            for _ in range(5):
                await asyncio.sleep(0)
        assert await reader.head() == b"next"

    limited(scenario)


def test_a_peer_that_pours_on_is_not_read_into_memory_without_end():
    async def scenario() -> None:
        source = ScriptedSource([b"x" * CHUNK] * 50)
        reader = MessageReader(source)
        async with cancel_on_disconnect(reader):
            for _ in range(200):
                await asyncio.sleep(0)
        assert len(source._pieces) >= 47

    limited(scenario)


def test_a_cancellation_from_elsewhere_is_not_taken_for_a_gone_peer():
    async def scenario() -> None:
        source = asyncio.StreamReader()

        async def work() -> None:
            async with cancel_on_disconnect(MessageReader(source)):
                await asyncio.Event().wait()

        working = asyncio.ensure_future(work())
        await asyncio.sleep(0)
        working.cancel()
        with pytest.raises(asyncio.CancelledError):
            await working

    limited(scenario)


def test_a_body_of_the_wrong_shape_breaks_the_work_off_though_its_peer_stays():
    async def scenario() -> None:
        async def broken() -> None:
            raise BadMessage("a chunk's size is not a number")

        sending = asyncio.ensure_future(broken())
        with pytest.raises(ConnectionResetError):
            async with cancel_on_disconnect(MessageReader(asyncio.StreamReader()), after=sending):
                await asyncio.Event().wait()

    limited(scenario)
