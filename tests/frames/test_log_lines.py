"""Buffered log lines: bounded, in order, and skipped lines are counted. Also events and readers across threads."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.drivers.base import EngineDown, LogLine
from apps.realtime.log_buffer import LogBuffer
from apps.realtime.stream_reader import EngineStreamReader
from apps.realtime.threadsafe_event import ThreadsafeEvent


def line(text: str) -> LogLine:
    return LogLine("stdout", "2026-01-01T00:00:00Z", text)


def texts(found: list[LogLine]) -> list[str]:
    return [each.text for each in found]


def filled(*put: str, lines: int = 100, size: int = 1000) -> LogBuffer:
    made = LogBuffer(lines=lines, size=size)
    for text in put:
        made.put(line(text))
    return made


def test_lines_come_out_in_their_order_and_once() -> None:
    queue = filled("a", "b", "c")
    skipped, found = queue.take()
    assert (skipped, texts(found)) == (0, ["a", "b", "c"])
    assert queue.take() == (0, [])


def test_a_batch_is_as_long_as_is_asked_for() -> None:
    queue = filled(*"abcde")
    assert [texts(queue.take(2)[1]) for _ in range(3)] == [["a", "b"], ["c", "d"], ["e"]]


@pytest.mark.parametrize(
    ("put", "bounds", "skipped", "left"),
    [
        pytest.param("abcd", {"lines": 2}, 2, ["c", "d"], id="too many"),
        pytest.param("abcd", {"lines": 4}, 0, ["a", "b", "c", "d"], id="just as many"),
        pytest.param(["xxx", "yyy", "zzz"], {"size": 6}, 1, ["yyy", "zzz"], id="too long"),
        pytest.param(["xxx", "yyy"], {"size": 6}, 0, ["xxx", "yyy"], id="just as long"),
        pytest.param(["x" * 50], {"size": 6}, 0, ["x" * 50], id="one is always kept"),
        pytest.param(["a", "b", "x" * 50], {"size": 6}, 2, ["x" * 50], id="a giant drives out the others"),
        pytest.param(["x" * 50, "a"], {"size": 6}, 1, ["a"], id="and goes itself for the next"),
    ],
)
def test_the_oldest_make_room_and_are_counted(put: Any, bounds: Any, skipped: int, left: list[str]) -> None:
    count, found = filled(*put, **bounds).take()
    assert (count, texts(found)) == (skipped, left)


def test_skipped_lines_are_reported_once() -> None:
    queue = filled("a", "b", lines=1)
    assert queue.take()[0] == 1
    queue.put(line("c"))
    assert queue.take() == (0, [line("c")])


@given(st.lists(st.text("xy", max_size=9), max_size=40), st.integers(1, 8), st.integers(1, 30))
def test_nothing_is_lost_uncounted_and_the_bounds_hold(put: list[str], lines: int, size: int) -> None:
    skipped, found = filled(*put, lines=lines, size=size).take(10_000)
    assert skipped + len(found) == len(put)
    assert texts(found) == put[skipped:]
    assert len(found) <= lines
    assert sum(map(len, texts(found))) <= size or len(found) == 1


@given(st.lists(st.integers(0, 3) | st.text("ab", min_size=1, max_size=3), max_size=40))
def test_taking_and_putting_in_any_order_keeps_the_order(steps: list[int | str]) -> None:
    queue, put, got = filled(lines=1000), [], []
    for step in steps:
        if isinstance(step, str):
            queue.put(line(step))
            put.append(step)
        else:
            got += texts(queue.take(step)[1])
    assert got + texts(queue.take(1000)[1]) == put


@pytest.mark.parametrize("how", ["take", "close"])
def test_a_blocking_writer_waits_until_there_is_room_or_the_buffer_closes(how: str) -> None:
    queue = LogBuffer(block_when_full=True, lines=1)
    queue.put(line("a"))
    done = threading.Event()

    def write() -> None:
        queue.put(line("b"))
        done.set()

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    assert not done.is_set()
    first = queue.take(1) if how == "take" else queue.close()  # type: ignore[func-returns-value]
    assert done.wait(5)
    writer.join(5)
    if how == "take":
        assert (first, queue.take()) == ((0, [line("a")]), (0, [line("b")]))


def test_a_patient_writer_skips_nothing() -> None:
    queue, wanted = LogBuffer(block_when_full=True, lines=3), [str(n) for n in range(50)]
    got: list[str] = []

    def write() -> None:
        for text in wanted:
            queue.put(line(text))

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    while len(got) < 50:
        skipped, found = queue.take(2)
        assert skipped == 0
        got += texts(found)
    writer.join(5)
    assert got == wanted


def test_an_event_set_before_anybody_waits_is_seen() -> None:
    async def scenario() -> None:
        event = ThreadsafeEvent()
        event.set()
        event.set()
        await asyncio.wait_for(event.wait(), 1)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(event.wait(), 0.005)

    asyncio.run(scenario())


def test_an_event_can_be_set_from_another_thread_and_again() -> None:
    async def scenario() -> int:
        event, wakeups = ThreadsafeEvent(), 0
        for _ in range(3):
            threading.Thread(target=event.set).start()
            await asyncio.wait_for(event.wait(), 5)
            wakeups += 1
        return wakeups

    assert asyncio.run(scenario()) == 3


def test_setting_an_event_of_a_closed_loop_does_nothing() -> None:
    async def scenario() -> ThreadsafeEvent:
        return ThreadsafeEvent()

    event = asyncio.run(scenario())
    event.set()
    event.set()


class Source:
    """A stream of the given items; an item that is an error is raised."""

    def __init__(self, *items: Any) -> None:
        self.items, self.closed = items, threading.Event()

    def __iter__(self) -> Any:
        for item in self.items:
            if isinstance(item, Exception):
                raise item
            yield item

    def close(self) -> None:
        self.closed.set()


def read(opener: Any) -> tuple[list[Any], list[str]]:
    """The items that a reader passed on, and the reasons it ended with."""
    taken: list[Any] = []
    over: list[str] = []
    done = threading.Event()

    def end(reason: str) -> None:
        over.append(reason)
        done.set()

    reader: EngineStreamReader[Any] = EngineStreamReader("test-reader", opener, taken.append, end)
    reader.start()
    assert done.wait(5)
    reader._thread.join(5)
    return taken, over


@pytest.mark.parametrize(
    ("items", "taken", "reason"),
    [
        pytest.param([1, 2, 3], [1, 2, 3], "", id="to its end"),
        pytest.param([], [], "", id="nothing"),
        pytest.param([1, EngineDown("h1 does not answer")], [1], "h1 does not answer", id="an engine's failure"),
        pytest.param([1, KeyError("x")], [1], "The stream broke (KeyError).", id="any other"),
    ],
)
def test_a_stream_is_read_to_its_end_and_closed(items: list[Any], taken: list[Any], reason: str) -> None:
    source = Source(*items)
    assert read(lambda: source) == (taken, [reason])
    assert source.closed.is_set()


def test_a_stream_that_cannot_be_opened_is_a_reason_too() -> None:
    def refuse() -> Any:
        raise EngineDown("no route")

    assert read(refuse) == ([], ["no route"])


def test_a_reader_that_is_closed_reads_no_more_and_says_nothing() -> None:
    taken: list[Any] = []
    over: list[str] = []
    reached, go_on = threading.Event(), threading.Event()

    def take(item: Any) -> None:
        taken.append(item)
        reached.set()
        go_on.wait(5)

    source = Source(1, 2, 3)
    reader: EngineStreamReader[Any] = EngineStreamReader("test-reader", lambda: source, take, over.append)
    reader.start()
    assert reached.wait(5)
    reader.close()
    assert source.closed.wait(5)
    go_on.set()
    reader._thread.join(5)
    assert (taken, over) == ([1], [])


def test_a_reader_closed_before_it_began_opens_nothing() -> None:
    opened: list[int] = []

    def opener() -> Any:
        opened.append(1)

    reader: EngineStreamReader[Any] = EngineStreamReader("test-reader", opener, print, print)
    reader.close()
    reader.start()
    reader._thread.join(5)
    assert opened == []
