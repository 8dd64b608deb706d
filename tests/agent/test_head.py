"""The head of a message is read in one way or refused."""

from __future__ import annotations

import pytest

from corral_agent.engine_proxy import http_head
from corral_agent.engine_proxy.http_head import BadMessage


def lines(*rows: str) -> bytes:
    return "\r\n".join(rows).encode("latin-1")


def test_a_plain_request_is_read_as_it_is():
    parsed = http_head.parse_request(lines("POST /v1.41/images/load?quiet=1 HTTP/1.1", "Host: x", "Content-Length: 12"))
    assert (parsed.method, parsed.target) == ("POST", "/v1.41/images/load?quiet=1")
    assert (parsed.length, parsed.chunked, parsed.is_http10, parsed.upgrade) == (12, False, False, False)


def test_chunks_and_upgrades_are_noticed():
    assert http_head.parse_request(lines("PUT /x HTTP/1.1", "Transfer-Encoding: Chunked")).chunked
    parsed = http_head.parse_request(lines("POST /x HTTP/1.1", "Connection: keep-alive, Upgrade", "Upgrade: TCP"))
    assert parsed.upgrade
    assert parsed.first(b"upgrade") == b"tcp"
    assert http_head.parse_request(lines("GET /x HTTP/1.0")).is_http10


def test_fields_keep_their_order_and_lose_blanks_around():
    parsed = http_head.parse_request(lines("GET / HTTP/1.1", "B:  two\t", "A:one", "C:"))
    assert parsed.headers == ((b"B", b"two"), (b"A", b"one"), (b"C", b""))
    assert parsed.first(b"nothing") == b""


@pytest.mark.parametrize(
    "line",
    [
        "",
        "GET",
        "GET /",
        "GET / HTTP/2.0",
        "GET / HTTP/1.2",
        "GET / HTTP/0.9",
        "GET / http/1.1",
        "get / HTTP/1.1",
        "GET  / HTTP/1.1",
        "GET / HTTP/1.1 ",
        " GET / HTTP/1.1",
        "GET\t/ HTTP/1.1",
        "GET http://engine/info HTTP/1.1",
        "GET https://engine/info HTTP/1.1",
        "GET //engine:1/\x7f HTTP/1.1",
        "CONNECT engine:443 HTTP/1.1",
        "OPTIONS * HTTP/1.1",
        "GET info HTTP/1.1",
        "GET /info#x HTTP/1.1",
        "GET /a b HTTP/1.1",
        "GET /\x00 HTTP/1.1",
        "GET /\xe9 HTTP/1.1",
        "ABCDEFGHIJKLMNOPQ / HTTP/1.1",
    ],
)
def test_an_odd_request_line_is_refused(line: str):
    with pytest.raises(BadMessage, match="request line"):
        http_head.parse_request(lines(line, "Host: x"))


@pytest.mark.parametrize(
    "field",
    [
        "no colon",
        ": empty",
        "Name : blank before",
        " Folded: x",
        "\tFolded: x",
        "Na me: x",
        "Name: a\nb",
        "Name: a\rb",
        "Name: a\x00b",
        "N\xe4me: x",
        "",
    ],
)
def test_a_malformed_field_is_refused(field: str):
    with pytest.raises(BadMessage, match="malformed"):
        http_head.parse_request(lines("GET / HTTP/1.1", field, "Host: x"))


@pytest.mark.parametrize(
    "fields",
    [
        ("Content-Length: 5", "Content-Length: 5"),
        ("Content-Length: 5", "content-length: 6"),
        ("Content-Length: 5, 5",),
        ("Content-Length: +5",),
        ("Content-Length: -1",),
        ("Content-Length: 0x5",),
        ("Content-Length: 5 5",),
        ("Content-Length:",),
        ("Content-Length: 1234567890123456789",),
        ("Content-Length: 5", "Transfer-Encoding: chunked"),
        ("Transfer-Encoding: chunked", "Content-Length: 5"),
        ("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
        ("Transfer-Encoding: identity",),
        ("Transfer-Encoding: gzip, chunked",),
        ("Transfer-Encoding: chunked, identity",),
        ("Transfer-Encoding: xchunked",),
        ("Transfer-Encoding: \x0bchunked",),
        ("Transfer-Encoding:",),
        ("Host: a", "Host: b"),
        ("Upgrade: tcp", "Upgrade: h2c"),
        ("Connection: close", "Connection: upgrade"),
        ("Expect: 100-continue", "Expect: x"),
    ],
)
def test_framing_that_two_readers_could_see_differently_is_refused(fields: tuple[str, ...]):
    with pytest.raises(BadMessage):
        http_head.parse_request(lines("POST /x HTTP/1.1", *fields))


def test_chunks_in_the_old_protocol_are_refused():
    with pytest.raises(BadMessage, match="no chunked encoding"):
        http_head.parse_request(lines("POST /x HTTP/1.0", "Transfer-Encoding: chunked"))


@pytest.mark.parametrize(
    ("line", "status"), [("HTTP/1.1 200 OK", 200), ("HTTP/1.0 404", 404), ("HTTP/1.1 101 X Y", 101)]
)
def test_an_answers_status_is_read(line: str, status: int):
    assert http_head.parse_response(lines(line, "Content-Length: 3")).status == status


@pytest.mark.parametrize(
    "line", ["HTTP/2 200 OK", "HTTP/1.1 099 X", "HTTP/1.1 600 X", "HTTP/1.1 20 X", "ICY 200 OK", ""]
)
def test_an_answer_that_is_none_is_refused_as_the_engines_fault(line: str):
    with pytest.raises(BadMessage, match="not HTTP/1") as refusal:
        http_head.parse_response(lines(line))
    assert refusal.value.status == 502
