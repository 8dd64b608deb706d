"""Long answers: in pieces, for a server that waits and for one that waits for nobody."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest
from django.test import AsyncRequestFactory, RequestFactory

from apps.core.streams import streaming_download


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
