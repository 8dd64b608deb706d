"""Log bytes become the lines that were written, wherever the network and the engine cut them."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.drivers.base import LogLine
from apps.drivers.docker.frames import FrameDecoder
from apps.drivers.docker.logs import LINE_LIMIT, MultiplexedLogReader, TtyLogReader

PIECE = 16 * 1024
TEXT = st.text(st.characters(exclude_characters="\n\r", codec="utf-8"), max_size=40)


def stamp(number: int) -> str:
    return f"2026-01-02T03:04:05.{number:09d}Z"


def frame(stream: int, payload: bytes) -> bytes:
    return struct.pack(">BxxxL", stream, len(payload)) + payload


def written(line: str, number: int, stream: int = 1) -> bytes:
    """A line as the engine sends it: in pieces of 16 KiB, each with its time."""
    data = line.encode() + b"\n"
    pieces = [data[at : at + PIECE] for at in range(0, len(data), PIECE)]
    return b"".join(frame(stream, f"{stamp(number + i)} ".encode() + piece) for i, piece in enumerate(pieces))


def cut(data: bytes, places: list[int]) -> Iterator[bytes]:
    edges = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return (data[a:b] for a, b in pairwise(edges))


def read(data: bytes, places: list[int]) -> list[LogLine]:
    reader = MultiplexedLogReader()
    lines = [line for piece in cut(data, places) for line in reader.feed(piece)]
    return [*lines, *reader.end()]


@given(st.lists(st.tuples(st.sampled_from([1, 2]), TEXT)), st.lists(st.integers(0, 10**6)))
def test_lines_come_back_as_they_were_written(written_lines: list[tuple[int, str]], places: list[int]) -> None:
    data = b"".join(written(text, number, stream) for number, (stream, text) in enumerate(written_lines))
    names = {1: "stdout", 2: "stderr"}
    expected = [(names[stream], stamp(number), text) for number, (stream, text) in enumerate(written_lines)]
    assert [(line.stream, line.at, line.text) for line in read(data, places)] == expected


@given(st.lists(st.binary(max_size=50)), st.lists(st.integers(0, 10**6)))
def test_frames_survive_any_cut(payloads: list[bytes], places: list[int]) -> None:
    frames = FrameDecoder()
    data = b"".join(frame(1, payload) for payload in payloads)
    got = [payload for piece in cut(data, places) for _, payload in frames.feed(piece)]
    assert got == payloads


def test_pieces_of_a_long_line_are_joined_and_carry_the_last_time() -> None:
    long = "x" * 40_000
    [line] = read(written(long, 0), [100, 20_000])
    assert line.text == long
    assert line.at == stamp(2)


def test_an_unfinished_line_is_given_at_the_end() -> None:
    lines = read(frame(1, f"{stamp(1)} no end".encode()), [])
    assert [(line.at, line.text) for line in lines] == [(stamp(1), "no end")]


def test_a_line_without_an_end_does_not_fill_the_memory() -> None:
    reader = MultiplexedLogReader()
    lines = [line for _ in range(40) for line in reader.feed(frame(1, f"{stamp(1)} ".encode() + b"x" * PIECE))]
    assert max(len(line.text) for line in lines) <= LINE_LIMIT + PIECE


def test_what_is_no_text_is_replaced() -> None:
    [line] = read(frame(2, f"{stamp(1)} ".encode() + b"\xff\xfe\n"), [])
    assert line == LogLine("stderr", stamp(1), "��")


def test_a_program_may_write_a_time_of_its_own() -> None:
    [line] = read(written(f"{stamp(7)} is when", 1), [])
    assert (line.at, line.text) == (stamp(1), f"{stamp(7)} is when")


@pytest.mark.parametrize("place", [1, 40, 16_500])
def test_a_terminal_has_other_line_ends(place: int) -> None:
    long = "y" * 20_000
    first = f"{stamp(1)} {long[:PIECE]}{stamp(2)} {long[PIECE:]}\r\n"
    reader = TtyLogReader()
    data = (first + f"{stamp(3)} short\r\n{stamp(4)} open").encode()
    lines = [line for piece in (data[:place], data[place:]) for line in reader.feed(piece)]
    assert [(line.at, line.text) for line in [*lines, *reader.end()]] == [
        (stamp(2), long),
        (stamp(3), "short"),
        (stamp(4), "open"),
    ]
