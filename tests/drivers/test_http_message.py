"""Heads of requests and responses are what engines and agents send and expect, wherever the network cuts them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.drivers.docker.http_message import encode_request, split_head

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n"


def test_a_request_asks_for_a_body_without_chunks() -> None:
    assert encode_request("GET", "/x?a=1") == b"GET /x?a=1 HTTP/1.0\r\nHost: engine\r\nUser-Agent: corral\r\n\r\n"


def test_a_body_follows_the_headers_in_their_order() -> None:
    request = encode_request("POST", "/x", {"A": "1", "B": "2"}, body=b"{}", version="1.1")
    assert request == b"POST /x HTTP/1.1\r\nHost: engine\r\nUser-Agent: corral\r\nA: 1\r\nB: 2\r\n\r\n{}"


@given(st.integers(0, len(HEAD) - 1))
def test_a_head_that_is_not_complete_is_waited_for(size: int) -> None:
    assert split_head(HEAD[:size]) is None


@given(st.binary(max_size=60))
def test_what_comes_after_the_head_is_the_body(body: bytes) -> None:
    found = split_head(HEAD + body)
    assert found is not None
    head, rest = found
    assert (head.status, head.status_text, head.is_chunked, rest) == (200, "200 OK", False, body)


@pytest.mark.parametrize(
    ("line", "status", "text"),
    [
        (b"HTTP/1.0 404 Not Found", 404, "404 Not"),
        (b"HTTP/1.1 101 UPGRADED", 101, "101 UPGRADED"),
        (b"HTTP/1.1 503", 503, "503"),
        (b"HTTP/1.1 2000 OK", 2000, "2000 OK"),
        (b"HTTP/1.1 OK", None, "OK"),
        (b"HTTP/1.1", None, ""),
        (b"SSH-2.0-OpenSSH", None, ""),
        (b"SSH-2.0 200 OK", None, "200 OK"),
        (b"HTTP/1.1 \xb2\xb3 \xff", None, "²³ ÿ"),
        (b"", None, ""),
    ],
)
def test_a_status_is_a_number_or_there_is_none(line: bytes, status: int | None, text: str) -> None:
    found = split_head(line + b"\r\n\r\n")
    assert found is not None
    assert (found[0].status, found[0].status_text) == (status, text)


@pytest.mark.parametrize(
    ("header", "is_chunked"),
    [
        (b"Transfer-Encoding: chunked", True),
        (b"transfer-encoding:gzip, CHUNKED", True),
        (b"Transfer-Encoding: identity", False),
        (b"X-Transfer-Encoding: chunked", False),
    ],
)
def test_only_the_one_header_says_that_a_body_is_chunked(header: bytes, is_chunked: bool) -> None:
    found = split_head(b"HTTP/1.1 200 OK\r\nServer: x\r\n" + header + b"\r\n\r\n")
    assert found is not None
    assert found[0].is_chunked is is_chunked
