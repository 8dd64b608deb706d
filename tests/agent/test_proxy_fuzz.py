"""Whatever bytes reach the proxy: it never breaks, always ends, and lets only whole, allowed requests through."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from corral_agent.engine_proxy import http_head, path, rules
from corral_agent.engine_proxy.rules import Body, Rule
from tests.agent.memory_proxy import ProxyRun, run_proxy
from tests.agent.memory_streams import split_at

ID = "f" * 64
OURS = b'{"Id":"%b","Config":{"Labels":{"io.corral.system":""}}}' % ID.encode()
SYSTEM = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(OURS), OURS)

REQUESTS = [
    b"GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /v1.41/info HTTP/1.0\r\n\r\n",
    b"HEAD /_ping HTTP/1.1\r\n\r\n",
    b"GET /containers/json?all=1 HTTP/1.1\r\nConnection: close\r\n\r\n",
    b'POST /containers/create?name=a HTTP/1.1\r\nContent-Length: 13\r\n\r\n{"Image":"a"}',
    b'POST /networks/create HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\na\r\n{"Name":"n\r\n2\r\n"}\r\n0\r\n\r\n',
    b"POST /containers/web/start HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
    b"POST /images/load?quiet=1 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\ntar\r\n0\r\n\r\n",
    b"POST /exec/e1/start HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 2\r\n\r\n{}keys",
    b"DELETE /containers/web?force=1 HTTP/1.1\r\n\r\n",
    b"PUT /containers/web/archive?path=/x HTTP/1.1\r\nContent-Length: 3\r\n\r\ntar",
    b"GET /corral/v1/hello HTTP/1.1\r\n\r\n",
    b"GET /plugins HTTP/1.1\r\n\r\n",
    b"POST /build HTTP/1.1\r\nContent-Length: 30\r\n\r\nDELETE /images/x HTTP/1.1\r\n\r\n..",
]
WORDS = [
    *(
        b"\r\n",
        b"\r\n\r\n",
        b"\n",
        b"\r",
        b" ",
        b"\t",
        b"\0",
        b":",
        b"%2e%2e",
        b"%2F",
        b"%",
        b"/",
        b"//",
        b"/../",
        b";",
    ),
    *(b"Content-Length: 1\r\n", b"Content-Length: 0\r\n", b"content-length:9999\r\n", b"Content-Length: -1\r\n"),
    *(b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: identity\r\n", b"0\r\n\r\n", b"Expect: 100-continue\r\n"),
    *(b"Connection: Upgrade\r\n", b"Upgrade: tcp\r\n", b"Upgrade: h2c\r\n", b"Host: y\r\n", b"HTTP/1.1", b"HTTP/1.0"),
    *(b"GET ", b"POST ", b"DELETE ", b"/plugins", b"/containers/", b"/archive", b"\xff", b"fromSrc=http://x", b"{}"),
]


@st.composite
def mangled_head(draw: st.DrawFn) -> bytes:
    """A few requests one after the other, with bytes inserted and removed where they do most harm."""
    data = b"".join(draw(st.lists(st.sampled_from(REQUESTS), min_size=1, max_size=3)))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(data)))
        gone = draw(st.integers(0, 12))
        data = data[:at] + draw(st.sampled_from([b"", *WORDS])) + data[at + gone :]
    return data


def check(found: ProxyRun, *, read_only: bool = False) -> None:
    """What must hold whatever was sent."""
    assert found.portal.closed, "a connection that is over is closed"
    for sink in found.engine:
        assert sink.closed
        lines, _, body = sink.data.partition(b"\r\n\r\n")
        parsed = http_head.parse_request(lines)
        rule = rules.find_rule(parsed.method, *path.split_target(parsed.target)[1:], read_only=read_only)
        assert isinstance(rule, Rule), f"{parsed.method} {parsed.target} must not come through"
        assert [value for key, value in parsed.headers if key.lower() == b"host"] == [b"engine"]
        check_body(parsed, rule, body)


def check_body(parsed: http_head.RequestHead, rule: Rule, body: bytes) -> None:
    if rule.body is Body.NONE:
        assert not parsed.length
        assert not parsed.chunked
    if rule.body is Body.JSON:
        size = parsed.length or 0
        assert isinstance(json.loads(body[:size]), dict)
        body = body[size:]
    if not parsed.upgrade and rule.body is not Body.ANY:
        assert body == b"", "nothing comes after a request that could be taken for another"
    if rule.body is Body.ANY and parsed.length is not None:
        assert len(body) <= parsed.length


@settings(max_examples=150)
@given(
    data=mangled_head(), places=st.lists(st.integers(0, 2000), max_size=4), read_only=st.booleans(), stays=st.booleans()
)
def test_no_mangled_request_passes_in_a_shape_that_is_not_allowed(
    data: bytes, places: list[int], *, read_only: bool, stays: bool
):
    check(run_proxy(split_at(data, places), SYSTEM, read_only=read_only, keep_open=stays), read_only=read_only)


@settings(max_examples=60)
@given(data=st.binary(max_size=300), places=st.lists(st.integers(0, 300), max_size=3))
@example(data=b"\r\n\r\n", places=[])
@example(data=b"\0" * 200, places=[1])
def test_no_noise_breaks_the_proxy_or_passes_it(data: bytes, places: list[int]):
    found = run_proxy(split_at(data, places))
    check(found)
    assert not found.engine
    assert not found.portal.data or found.status == 400


@settings(max_examples=60)
@given(answer=st.binary(max_size=120), request=st.sampled_from(REQUESTS))
def test_no_noise_of_the_engine_breaks_the_proxy(answer: bytes, request: bytes):
    found = run_proxy([request], answer)
    check(found)
    assert not found.portal.data or found.status < 600


@settings(max_examples=60)
@given(
    status=st.integers(100, 599),
    fields=st.lists(st.sampled_from([word for word in WORDS if word.endswith(b"\r\n")]), max_size=3),
    body=st.binary(max_size=30),
    request=st.sampled_from(REQUESTS),
)
def test_no_odd_answer_of_the_engine_breaks_the_proxy(status: int, fields: list[bytes], body: bytes, request: bytes):
    answer = b"HTTP/1.1 %d Odd\r\n%b\r\n%b" % (status, b"".join(fields), body)
    check(run_proxy([request], answer))


@settings(max_examples=40)
@given(places=st.lists(st.integers(0, 3000), max_size=8), data=st.lists(st.sampled_from(REQUESTS[:7]), max_size=4))
def test_where_the_network_cuts_changes_nothing(places: list[int], data: list[bytes]):
    raw_data = b"".join(data)
    plain, pieces = run_proxy([raw_data]), run_proxy(split_at(raw_data, places))
    assert pieces.portal.data == plain.portal.data
    assert [sink.data for sink in pieces.engine] == [sink.data for sink in plain.engine]


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda data: data.split(b" HTTP", maxsplit=1)[0].decode())
def test_a_request_that_is_cut_anywhere_does_not_come_through_in_part(request_: bytes):
    for end in range(len(request_)):
        found = run_proxy([request_[:end]], SYSTEM, keep_open=False)
        check(found)


@pytest.mark.parametrize("request_", [one for one in REQUESTS if not one.startswith((b"GET", b"HEAD"))])
def test_a_read_only_proxy_lets_nothing_be_changed(request_: bytes):
    found = run_proxy([request_], read_only=True)
    assert found.status == 403
    assert b"only lets the portal read" in found.portal.data
    assert not found.engine
