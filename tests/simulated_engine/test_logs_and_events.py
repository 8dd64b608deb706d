"""Readers of logs and followers of events miss nothing, and cost nothing when they are gone."""

from __future__ import annotations

import threading

from hypothesis import given
from hypothesis import strategies as st

from simulated_engine.events import EventBus, SimulatedEvent
from simulated_engine.logs import ContainerLog, LogCursor, LogRecord


def write(log: ContainerLog, *numbers: int) -> None:
    for number in numbers:
        log.append(LogRecord(number, "stdout", str(number)))


def taken(cursor: LogCursor) -> list[int]:
    return [record.at for record in cursor.take()]


def test_a_cursor_begins_at_the_tail_and_goes_on():
    log = ContainerLog(100)
    write(log, 1, 2, 3)
    cursor = LogCursor(log, 2)
    assert taken(cursor) == [2, 3]
    assert taken(cursor) == []
    write(log, 4)
    assert taken(cursor) == [4]


@given(
    size=st.integers(1, 20),
    old=st.integers(0, 40),
    tail=st.one_of(st.none(), st.integers(-3, 50)),
    new=st.lists(st.integers(0, 30), max_size=4),
)
def test_a_cursor_gives_every_line_that_is_still_there_once(size: int, old: int, tail: int | None, new: list[int]):
    log = ContainerLog(size)
    write(log, *range(old))
    cursor, kept = LogCursor(log, tail), min(old, size)
    assert taken(cursor) == list(range(old - (kept if tail is None else min(max(tail, 0), kept)), old))
    for count in new:
        first = log.count
        write(log, *range(first, first + count))
        assert taken(cursor) == list(range(first, first + count))[-size:]


def test_a_follower_hears_what_comes_and_is_given_what_was():
    ticks = iter(range(100))
    events, heard = EventBus(lambda: next(ticks)), list[SimulatedEvent]()
    events.publish("image", "pull", "a", {"name": "a"})
    past, unsubscribe = events.subscribe(heard.append)
    events.publish("image", "pull", "b", {})
    unsubscribe()
    unsubscribe()
    events.publish("image", "pull", "c", {})
    assert [(event.at, event.id) for event in past] == [(0, "a")]
    assert [(event.at, event.id) for event in heard] == [(1, "b")]


def test_the_last_256_events_are_remembered():
    events = EventBus(lambda: 0)
    for number in range(300):
        events.publish("container", "create", str(number), {})
    past, _ = events.subscribe(lambda _: None)
    assert [event.id for event in past] == [str(number) for number in range(44, 300)]


def test_a_follower_that_joins_in_the_middle_has_every_event_once():
    events, heard = EventBus(lambda: 0), list[SimulatedEvent]()
    begun = threading.Event()

    def publish() -> None:
        for number in range(200):
            events.publish("container", "create", str(number), {})
            begun.set()

    publisher = threading.Thread(target=publish)
    publisher.start()
    begun.wait(5)
    past, _ = events.subscribe(heard.append)
    publisher.join(5)
    assert sorted(int(event.id) for event in [*past, *heard]) == list(range(200))
