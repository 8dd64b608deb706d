"""A chunked body is the same wherever it is cut, and what is none is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.drivers.docker.http_message import ChunkedDecoder

END = b"0\r\n\r\n"
BODIES = st.lists(st.binary(min_size=1, max_size=40), max_size=6)


def sent(*bodies: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(body), body) for body in bodies)


@given(bodies=BODIES, step=st.integers(1, 50))
def test_a_body_is_whole_however_it_arrives(bodies: list[bytes], step: int) -> None:
    data, chunks = sent(*bodies) + END, ChunkedDecoder()
    got = b"".join(chunks.feed(data[at : at + step]) for at in range(0, len(data), step))
    assert got == b"".join(bodies)
    assert chunks.ended


@given(bodies=BODIES)
def test_a_body_that_breaks_off_has_not_ended(bodies: list[bytes]) -> None:
    chunks = ChunkedDecoder()
    assert chunks.feed(sent(*bodies)) == b"".join(bodies)
    assert not chunks.ended


@pytest.mark.parametrize("size", [b"3", b"03", b"3;name=value", b"3 ", b"3 ;x"])
def test_a_size_may_have_company(size: bytes) -> None:
    assert ChunkedDecoder().feed(size + b"\r\nabc\r\n") == b"abc"


def test_what_looks_like_a_chunk_inside_one_is_not() -> None:
    inner = sent(b"x") + END
    assert ChunkedDecoder().feed(sent(inner) + END) == inner


def test_after_the_end_nothing_counts() -> None:
    chunks = ChunkedDecoder()
    assert chunks.feed(sent(b"a") + END + sent(b"b")) == b"a"
    assert chunks.feed(sent(b"c")) == b""


@pytest.mark.parametrize(
    "junk", [b"{}\r\n", b"-3\r\nabc", b"0x3\r\nabc", b"xyz\r\n", b"+1\r\na", b";x\r\n", b"a" * 2000]
)
def test_what_is_no_chunk_is_refused(junk: bytes) -> None:
    with pytest.raises(ValueError, match="a chunk without a size"):
        ChunkedDecoder().feed(junk)
