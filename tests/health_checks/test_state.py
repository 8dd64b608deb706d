"""The health that outcomes of checks make: against a model for any sequence, and the cases people ask about."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from health_checks.check import BadDocument, Check, parse_document
from health_checks.probe import failure_of
from health_checks.request import is_request, request_bytes
from health_checks.state import HEALTHY, INITIALIZING, UNCHECKED, UNHEALTHY, Health, after_outcome, after_time


def check(**fields: Any) -> Check:
    return Check(**{"id": "a", "run": "1", "address": "10.0.0.2", "port": 80, **fields})


THRESHOLDS = st.integers(1, 5)
OUTCOMES = st.lists(st.booleans(), max_size=40)


@given(THRESHOLDS, THRESHOLDS, OUTCOMES)
def test_the_state_changes_exactly_after_as_many_outcomes_in_a_row_as_its_threshold(
    rise: int, fall: int, outcomes: list[bool]
):
    one = check(healthy_threshold=rise, unhealthy_threshold=fall, initializing=0)
    health, state, past = Health(0.0), INITIALIZING, []
    for at, succeeded in enumerate(outcomes):
        health = after_outcome(one, health, "" if succeeded else "refused", float(at))
        past.append(succeeded)
        if state == HEALTHY and past[-fall:] == [False] * fall:
            state, past = UNHEALTHY, []
        elif state != HEALTHY and past[-rise:] == [True] * rise:
            state, past = HEALTHY, []
        assert health.state == state


@given(THRESHOLDS, OUTCOMES, st.floats(0.1, 50))
def test_what_never_becomes_healthy_is_unhealthy_once_its_time_is_over_and_not_before(
    rise: int, outcomes: list[bool], limit: float
):
    one = check(healthy_threshold=rise, initializing=limit)
    health = Health(0.0)
    for at, succeeded in enumerate(outcomes):
        health = after_outcome(one, health, "" if succeeded else "refused", float(at))
        if health.state == HEALTHY:
            return
        assert health.state == (UNHEALTHY if at >= limit else INITIALIZING)


def test_time_alone_ends_the_beginning_and_nothing_else():
    one = check(initializing=60.0)
    assert after_time(one, Health(0.0), 59.9).state == INITIALIZING
    late = after_time(one, Health(0.0, reason="connection refused"), 60.0)
    assert (late.state, late.reason) == (UNHEALTHY, "it did not become healthy within 60 s: connection refused")
    assert after_time(one, Health(0.0, HEALTHY), 1e6).state == HEALTHY
    assert after_time(check(initializing=0), Health(0.0), 1e6).state == INITIALIZING


def test_what_could_not_be_checked_begins_as_at_first():
    one = check(healthy_threshold=1)
    assert after_outcome(one, Health(0.0, UNCHECKED), "", 5.0) == Health(5.0, HEALTHY)
    assert after_outcome(one, Health(0.0, UNCHECKED), "refused", 5.0).state == INITIALIZING


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        (b"HTTP/1.0 200 OK\r\n", ""),
        (b"HTTP/1.1 302 Found\r\n", ""),
        (b"HTTP/2 204\r\n", ""),
        (b"HTTP/1.0 500 Oops\r\n", "HTTP status 500"),
        (b"HTTP/1.0 404\r\n", "HTTP status 404"),
        (b"SSH-2.0-x\r\n", "the answer is not HTTP"),
        (b"", "the connection was closed without an answer"),
    ],
)
def test_an_answer_of_success_is_2xx_or_3xx(answer: bytes, failure: str):
    assert failure_of(answer) == failure


@pytest.mark.parametrize(
    ("line", "sent"),
    [
        ("GET /up HTTP/1.0", b"GET /up HTTP/1.0\r\nHost: 10.0.0.2\r\nConnection: close\r\n\r\n"),
        ("GET /up", b"GET /up HTTP/1.0\r\nHost: 10.0.0.2\r\nConnection: close\r\n\r\n"),
        ("GET / HTTP/1.1\\r\\nHost: a", b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
        ('GET "/ping" "HTTP/1.0"', b"GET /ping HTTP/1.0\r\nHost: 10.0.0.2\r\nConnection: close\r\n\r\n"),
        ('GET /?q="a" HTTP/1.0', b'GET /?q="a" HTTP/1.0\r\nHost: 10.0.0.2\r\nConnection: close\r\n\r\n'),
        ("GET / HTTP/1.1\\r\\nHost:\\ a", b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
        ("HEAD / HTTP/1.1\r\nHost:a\r\nConnection: x", b"HEAD / HTTP/1.1\r\nHost:a\r\nConnection: x\r\n\r\n"),
    ],
)
def test_a_request_line_becomes_a_whole_request(line: str, sent: bytes):
    assert request_bytes(line, "10.0.0.2") == sent
    assert is_request(line)


def test_a_request_that_may_have_a_body_says_that_it_has_none():
    assert b"\r\nContent-Length: 0\r\n" in request_bytes("POST /up HTTP/1.1", "10.0.0.2")
    assert request_bytes("PUT / HTTP/1.0\r\ncontent-length: 0", "10.0.0.2").lower().count(b"content-length") == 1
    assert b"Content-Length" not in request_bytes("GET /up HTTP/1.1", "10.0.0.2")


@pytest.mark.parametrize(
    "line",
    [
        "OPTIONS * HTTP/1.1",
        "get /up http/1.0".replace("http", "HTTP"),
        "M-SEARCH * HTTP/1.1",
        "GET http://example.com/up HTTP/1.0",
        "GET /a?b=c&d=%20 HTTP/2",
        '"GET" "/up"',
        "HEAD / HTTP/1.0\\r\\nHost:\\ a\\r\\nX-Y:\\ z",
    ],
)
def test_what_servers_understand_is_a_request(line: str):
    assert is_request(line)


@pytest.mark.parametrize(
    "line",
    ["", " ", "WAT", "/up", "/up HTTP/1.0", "GET", "GET up HTTP/1.0", "GET /up HTTPS", "GET /up HTTP/x", "GET /a b c",
     "GET *x", "G=T /", "1 /", "\r\nWAT"],
)  # fmt: skip
def test_what_no_server_understands_is_none(line: str):
    assert not is_request(line)


GOOD: dict[str, Any] = {
    "id": "a", "run": "1", "address": "10.0.0.2", "subnet": "10.0.0.2/24", "port": 80, "interval": 2000,
    "timeout": 1000, "healthyThreshold": 2, "unhealthyThreshold": 3, "initializing": 60000,
}  # fmt: skip


def test_a_document_is_read():
    version, checks = parse_document({"version": 7, "checks": [GOOD]})
    assert version == 7
    assert checks == {"a": check(subnet="10.0.0.0/24", timeout=1.0)}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("id", bad) for bad in (None, 1, "x" * 3000)),
        *(("address", bad) for bad in (None, "", "example.org", "10.0.0.2; rm", "fe80::1%eth0")),
        *(("port", bad) for bad in (None, 0, 65536, "80", True, 1.5)),
        *(("interval", bad) for bad in (0, 99, "1", 10**12)),
        *(("healthyThreshold", bad) for bad in (0, 1001)),
        ("subnet", "10.0.0.0/99"),
        ("request", ["GET /"]),
    ],
)
def test_nothing_of_a_bad_document_is_used(name: str, value: Any):
    with pytest.raises(BadDocument):
        parse_document({"version": 1, "checks": [GOOD, {**GOOD, "id": "b", name: value}]})


@pytest.mark.parametrize("document", [None, [], {}, {"version": 1}, {"checks": []}, {"version": 1, "checks": [None]}])
def test_what_is_no_document_is_refused(document: Any):
    with pytest.raises(BadDocument):
        parse_document(document)
