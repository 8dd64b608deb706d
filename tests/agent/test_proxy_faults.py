"""For an engine that fails or answers nonsense the proxy answers, with a reason."""

from __future__ import annotations

import json

import pytest

from tests.agent.memory_proxy import OK, run_proxy

ID = "a" * 64
ARCHIVE = b"GET /containers/web/archive?path=/x HTTP/1.1\r\n\r\n"


def answer(body: object, status: bytes = b"200 OK") -> bytes:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n%b" % (status, len(data), data)


def words(data: bytes) -> str:
    return str(json.loads(data.partition(b"\r\n\r\n")[2])["message"])


@pytest.mark.parametrize(
    ("answer_bytes", "status", "expected"),
    [
        pytest.param(b"", 502, "not understood", id="nothing"),
        pytest.param(b"SSH-2.0-x\r\n\r\n", 502, "not HTTP/1", id="another protocol"),
        pytest.param(answer(b"{"), 502, "not JSON", id="half an object"),
        pytest.param(answer(b"[" * 100_000), 502, "not JSON", id="deeper than anybody reads"),
        pytest.param(answer(b"\xff\xfe"), 502, "not JSON", id="no text"),
        pytest.param(answer(None), 403, "labelled", id="null"),
        pytest.param(answer([]), 403, "labelled", id="a list"),
        pytest.param(answer("web"), 403, "labelled", id="a word"),
        pytest.param(answer({}), 403, "labelled", id="nothing in it"),
        pytest.param(answer({"Id": ID, "Config": None}), 403, "labelled", id="no config"),
        pytest.param(answer({"Id": ID, "Config": []}), 403, "labelled", id="a strange config"),
        pytest.param(answer({"Id": ID, "Config": {"Labels": None}}), 403, "labelled", id="no labels"),
        pytest.param(answer({"Id": ID, "Config": {"Labels": "io.corral.system"}}), 403, "labelled", id="a text"),
        pytest.param(
            answer({"Id": ID, "Config": {"Labels": {"a": "io.corral.system"}}}), 403, "labelled", id="a value"
        ),
        pytest.param(answer({"Config": {"Labels": {"io.corral.system": ""}}}), 502, "no container id", id="no id"),
        pytest.param(
            answer({"Id": "../x", "Config": {"Labels": {"io.corral.system": ""}}}), 502, "no container id", id="a climb"
        ),
        pytest.param(
            answer({"Id": 5, "Config": {"Labels": {"io.corral.system": ""}}}), 502, "no container id", id="a number"
        ),
        pytest.param(answer({"message": "No such container: web"}, b"404 No"), 404, "No such container", id="missing"),
        pytest.param(answer(None, b"404 No"), 404, "no such container", id="missing, without words"),
        pytest.param(answer(["x"], b"404 No"), 404, "no such container", id="missing, with strange words"),
        pytest.param(answer({"message": None}, b"500 Oops"), 500, "no such container", id="failed, without words"),
        pytest.param(answer({"message": "odd"}, b"499 Odd"), 499, "odd", id="a status that nobody knows"),
    ],
)
def test_only_what_is_surely_one_of_corrals_own_is_opened(answer_bytes: bytes, status: int, expected: str):
    found = run_proxy([ARCHIVE], answer_bytes, OK)
    assert found.status == status
    assert expected in words(found.portal.data)
    assert len(found.engine) == 1, "the file itself was never asked for"
    assert found.engine[0].closed


def test_a_container_is_asked_about_and_then_named_by_its_id():
    ours = answer({"Id": ID, "Config": {"Labels": {"io.corral.system": "x"}}})
    found = run_proxy([ARCHIVE.replace(b"/containers", b"/v1.41/containers")], ours, OK)
    assert found.portal.data == OK
    first, second = (sink.data.split(b"\r\n")[0] for sink in found.engine)
    assert first == b"GET /v1.41/containers/web/json HTTP/1.0"
    assert second == b"GET /v1.41/containers/%b/archive?path=/x HTTP/1.1" % ID.encode()


def test_a_container_called_archive_is_replaced_in_its_own_place():
    ours = answer({"Id": ID, "Config": {"Labels": {"io.corral.system": "x"}}})
    found = run_proxy([b"GET /containers/archive/archive?path=/archive/ HTTP/1.1\r\n\r\n"], ours, OK)
    assert found.engine[1].data.startswith(b"GET /containers/%b/archive?path=/archive/ HTTP" % ID.encode())


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ConnectionRefusedError(111, "Connection refused"), "cannot be reached: Connection refused"),
        (FileNotFoundError(2, "No such file or directory"), "No such file"),
        (TimeoutError(), "cannot be reached"),
    ],
)
@pytest.mark.parametrize("request_", [b"GET /info HTTP/1.1\r\n\r\n", ARCHIVE], ids=["plain", "pinned"])
def test_an_unreachable_engine_is_reported(request_: bytes, error: OSError, expected: str):
    found = run_proxy([request_], engine_error=error)
    assert found.status == 503
    assert expected in words(found.portal.data)


@pytest.mark.parametrize(
    ("answer_bytes", "expected"),
    [
        (b"", "ended the connection instead of answering"),
        (b"HTTP/1.1 200", "in the middle of a message"),
        (b"HTTP/1.1 101 Switching\r\n\r\n", "not offered"),
        (b"HTTP/2 200 OK\r\n\r\n", "not HTTP/1"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", "ended the connection instead of answering"),
    ],
)
def test_an_answer_that_is_none_is_the_engines_fault(answer_bytes: bytes, expected: str):
    found = run_proxy([b"GET /info HTTP/1.1\r\n\r\n"], answer_bytes)
    assert found.status >= 400
    assert expected in words(found.portal.data)
    assert b"Connection: close" in found.portal.data


def test_what_comes_before_an_answer_is_not_passed_on():
    found = run_proxy([b"GET /info HTTP/1.1\r\n\r\n"], b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\n" + OK)
    assert found.portal.data == OK


@pytest.mark.parametrize(
    "answer_bytes",
    [
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", id="counted"),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", id="chunked"),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nhalf\r\n", id="chunked wrongly"),
    ],
)
def test_an_answer_that_breaks_off_is_seen_to_break_off(answer_bytes: bytes):
    found = run_proxy([b"GET /info HTTP/1.1\r\n\r\nGET /_ping HTTP/1.1\r\n\r\n"], answer_bytes, OK)
    assert found.portal.data.count(b"HTTP/1.1") == 1, "no second answer follows what was half of the first"
    assert not found.portal.data.endswith(b"0\r\n\r\n"), "a chunked body that broke off gets no end"
    assert found.portal.closed


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"[" * 50_000, id="lists"),
        pytest.param(b'{"a":' * 50_000, id="objects"),
        pytest.param(b'{"a":' + b"1" * 5000 + b"}", id="a number longer than anybody counts"),
    ],
)
def test_a_body_that_cannot_be_read_is_refused_however_it_is_made(body: bytes):
    head = b"POST /containers/create HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body)
    found = run_proxy([head + body])
    assert found.status == 400
    assert "not a JSON object" in words(found.portal.data)
    assert not found.engine


def test_a_body_without_a_length_ends_with_the_engines_connection():
    found = run_proxy([b"GET /events HTTP/1.1\r\n\r\nGET /_ping HTTP/1.1\r\n\r\n"], b"HTTP/1.1 200 OK\r\n\r\nall of it")
    assert found.portal.data.endswith(b"all of it")
    assert len(found.engine) == 1


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
def test_an_answer_without_a_body_is_followed_by_the_next(status: bytes):
    silent = b"HTTP/1.1 %b\r\n\r\n" % status
    found = run_proxy([b"POST /containers/a/start HTTP/1.1\r\n\r\nGET /_ping HTTP/1.1\r\n\r\n"], silent, OK)
    assert found.portal.data == silent + OK


def test_a_head_request_gets_a_length_and_no_body():
    answer_bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n"
    found = run_proxy([b"HEAD /_ping HTTP/1.1\r\n\r\nGET /_ping HTTP/1.1\r\n\r\n"], answer_bytes, OK)
    assert found.portal.data == answer_bytes + OK


def test_the_agents_own_paths_never_reach_the_engine():
    found = run_proxy([b"GET /corral/v1/journal?after=3 HTTP/1.1\r\n\r\nGET /corral/v1/hello HTTP/1.0\r\n\r\n"])
    assert found.agent_requests == [("/corral/v1/journal", "after=3"), ("/corral/v1/hello", "")]
    assert not found.engine
