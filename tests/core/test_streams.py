"""Long answers: in pieces, for a server that waits and for one that waits for nobody."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest
from django.test import AsyncRequestFactory, RequestFactory

from apps.core.errors import Invalid, Problem
from apps.core.streams import ARRIVING_FILE, arriving_pieces, streaming_download


def test_a_server_that_waits_gets_line_by_line():
    answer = streaming_download(RequestFactory().get("/"), "a.csv", "text/csv", iter(["a\n", "b\n"]))
    assert [*answer] == [b"a\n", b"b\n"]
    assert answer["Content-Disposition"] == 'attachment; filename="a.csv"'
    assert answer["Content-Type"] == "text/csv; charset=utf-8"


@pytest.mark.parametrize(("count", "pieces"), [(0, 0), (1, 1), (200, 1), (201, 2), (450, 3)])
def test_a_server_that_waits_for_nobody_gets_a_few_hundred_lines_at_a_time(count: int, pieces: int):
    async def read() -> list[bytes]:
        answer = streaming_download(AsyncRequestFactory().get("/"), "a", "text/csv", (f"{n}\n" for n in range(count)))
        found: Any = answer.streaming_content
        return [piece async for piece in found]

    got = asyncio.run(read())
    assert len(got) == pieces
    assert b"".join(got).decode().splitlines() == [str(n) for n in range(count)]


def test_nothing_is_read_before_it_is_sent():
    async def first() -> tuple[int, int]:
        read = itertools.count()
        lines = (str(next(read)) for _ in range(10_000))
        found: Any = streaming_download(AsyncRequestFactory().get("/"), "a", "text/csv", lines).streaming_content
        before = next(read)
        await anext(aiter(found))
        return before, next(read)

    before, after = asyncio.run(first())
    assert before == 0
    assert after < 300


def sent(data: bytes, kind: str = "application/x-tar") -> Any:
    return RequestFactory().post("/", data, content_type=kind)


def test_a_file_arrives_in_pieces():
    pieces = list(arriving_pieces(sent(b"x" * 600_000), 10**6))
    assert [len(piece) for piece in pieces] == [262_144, 262_144, 75_712]
    assert list(arriving_pieces(sent(b""), 10)) == []


def test_a_file_may_be_as_large_as_is_said_and_no_larger():
    assert b"".join(arriving_pieces(sent(b"x" * 10), 10)) == b"x" * 10
    with pytest.raises(Invalid, match="larger than") as refused:
        list(arriving_pieces(sent(b"x" * 11), 10))
    assert (refused.value.field, refused.value.code) == ("file", "MaxLimitExceeded")


@pytest.mark.parametrize("kind", ["multipart/form-data; boundary=x", "application/x-www-form-urlencoded"])
def test_a_form_is_no_file(kind: str):
    with pytest.raises(Problem, match="no form") as refused:
        arriving_pieces(sent(b"x", kind), 10)
    assert refused.value.status == 415


def test_what_the_front_door_hands_over_is_read_from_the_scope():
    class File:
        def __init__(self) -> None:
            self.pieces = [b"a", b"b"]

        def read_piece(self) -> bytes:
            return self.pieces.pop(0) if self.pieces else b""

    request: Any = AsyncRequestFactory().post("/", b"unused", content_type="application/x-tar")
    request.scope[ARRIVING_FILE] = File()
    assert list(arriving_pieces(request, 10)) == [b"a", b"b"]
