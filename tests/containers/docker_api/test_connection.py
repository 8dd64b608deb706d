"""HTTP as Docker's clients speak it: requests one after another, bodies of both kinds, and connections taken over."""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.containers.docker_api import connection
from apps.containers.docker_api.connection import DockerConnection
from apps.containers.docker_api.host_calls import Answer, StreamAnswer, Takeover
from apps.core.errors import Conflict, Forbidden, Invalid
from apps.drivers.base import EngineConflict, EngineDown, EngineError, EngineNotFound, EngineRefused

UPGRADE = b"Connection: Upgrade\r\nUpgrade: tcp\r\n"
START = b"POST /exec/abc/start HTTP/1.1\r\nHost: x\r\n" + UPGRADE + b"Content-Length: 2\r\n\r\n{}"


class MemoryPipe:
    """What the client sends, piece by piece, and what it was sent; the end is b"" or, `silent`, a time-out."""

    def __init__(self, *pieces: bytes, silent: bool = False) -> None:
        self.incoming: queue.Queue[bytes] = queue.Queue()
        for piece in pieces:
            self.incoming.put(piece)
        self.silent, self.sent, self.broken = silent, b"", False
        self.timeouts: list[float | None] = []

    def read(self, timeout: float | None) -> bytes:
        self.timeouts.append(timeout)
        if self.silent and self.incoming.empty():
            raise TimeoutError
        try:
            return self.incoming.get_nowait()
        except queue.Empty:
            return b""

    def write(self, data: bytes) -> None:
        if self.broken:
            raise BrokenPipeError
        self.sent += data


class FakeApi:
    """Answers in turn; an exception is raised."""

    def __init__(self, *answers: Any) -> None:
        self.answers, self.requests = list(answers), []  # type: ignore[var-annotated]

    def handle(self, request: Any) -> Any:
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


class FakeStream:
    def __init__(self, *pieces: Any) -> None:
        self.pieces, self.closed = pieces, threading.Event()

    def __iter__(self) -> Iterator[bytes]:
        for piece in self.pieces:
            if isinstance(piece, Exception):
                raise piece
            yield piece

    def close(self) -> None:
        self.closed.set()


class FakeSession(FakeStream):
    """A command whose output comes once it has got `wanted`."""

    def __init__(self, *pieces: Any, wanted: bytes = b"") -> None:
        super().__init__(*pieces)
        self.got, self.wanted, self._left = b"", wanted, iter(pieces)
        self.input_ended = False

    def read(self, size: int = 65536) -> bytes:
        until = time.monotonic() + 10
        while not self.got.startswith(self.wanted) and time.monotonic() < until and not self.closed.is_set():
            time.sleep(0.005)
        piece = next(self._left, b"")
        if isinstance(piece, Exception):
            raise piece
        return bytes(piece)

    def read_stream(self) -> tuple[str, bytes]:
        return "stderr", self.read()

    def write(self, data: bytes) -> None:
        self.got += data

    def end_input(self) -> None:
        self.input_ended = True


def serve(api: Any, pipe: MemoryPipe) -> DockerConnection:
    made = DockerConnection(api, pipe)
    made.serve()
    return made


def bodies_of(sent: bytes) -> list[Any]:
    """The JSON bodies of plain answers."""
    return [json.loads(part.partition(b"\r\n\r\n")[2]) for part in sent.split(b"HTTP/1.1 ")[1:]]


def test_requests_are_answered_one_after_another_however_they_arrive():
    one = b"GET /v1.41/info HTTP/1.1\r\nHost: x\r\n\r\n"
    for pieces in ([one, one], [one + one], [bytes([each]) for each in one + one]):
        api, pipe = FakeApi(Answer({"a": 1}), Answer({"b": 2})), MemoryPipe(*pieces)
        serve(api, pipe)
        assert bodies_of(pipe.sent) == [{"a": 1}, {"b": 2}]
        assert [each.call.name for each in api.requests] == ["info", "info"]


def test_bodies_come_with_a_length_or_in_chunks():
    head = b"POST /containers/web/exec HTTP/1.1\r\nHost: x\r\n"
    body = b'{"Cmd":["ls"]}'
    plain = head + b"Content-Length: %d\r\n\r\n" % len(body) + body
    chunked = head + b"Transfer-Encoding: chunked\r\n\r\n4\r\n" + body[:4] + b"\r\na\r\n" + body[4:] + b"\r\n0\r\n\r\n"
    for sent in (plain, chunked):
        api = FakeApi(Answer({"Id": "x"}, 201))
        serve(api, MemoryPipe(sent))
        assert api.requests[0].body == {"Cmd": ["ls"]}


def test_whom_waits_for_a_continue_gets_one():
    pipe = MemoryPipe(
        b"POST /containers/web/exec HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n", b"{}"
    )
    serve(FakeApi(Answer({})), pipe)
    assert pipe.sent.startswith(b"HTTP/1.1 100 ")


def test_a_head_request_gets_no_body_and_the_next_one_does():
    pipe = MemoryPipe(b"HEAD /_ping HTTP/1.1\r\nHost: x\r\n\r\nGET /_ping HTTP/1.1\r\nHost: x\r\n\r\n")
    serve(FakeApi(Answer("OK", headers={"Api-Version": "1.44"}), Answer("OK")), pipe)
    first, second = pipe.sent.split(b"HTTP/1.1 200 OK")[1:]
    assert first.endswith(b"\r\n\r\n")
    assert b"Api-Version: 1.44" in first
    assert second.endswith(b"\r\n\r\nOK")


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Forbidden("not here"), 403),
        (Invalid("x", "InvalidFormat", "not here"), 400),
        (Conflict("not here"), 409),
        (EngineNotFound("not here"), 404),
        (EngineConflict("not here"), 409),
        (EngineRefused("not here"), 400),
        (EngineDown("not here"), 503),
        (EngineError("not here"), 500),
    ],
)
def test_refusals_have_the_words_that_docker_shows(error: Exception, status: int):
    pipe = MemoryPipe(b"GET /info HTTP/1.1\r\nHost: x\r\n\r\n")
    serve(FakeApi(error), pipe)
    assert pipe.sent.startswith(b"HTTP/1.1 %d " % status)
    assert bodies_of(pipe.sent) == [{"message": "not here"}]


def test_after_a_refusal_the_connection_goes_on():
    pipe = MemoryPipe(
        b"POST /build HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\nGET /info HTTP/1.1\r\nHost: x\r\n\r\n"
    )
    api = FakeApi(Answer({}))
    serve(api, pipe)
    assert [each.get("message", "")[:22] for each in bodies_of(pipe.sent)] == ["Corral does not offer ", ""]
    assert len(api.requests) == 1


def test_a_body_that_is_too_long_is_refused_before_it_has_come():
    head = b"POST /containers/web/exec HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n"
    pipe = MemoryPipe(head, *[b"x" * 60_000] * 100)
    api = FakeApi()
    serve(api, pipe)
    assert pipe.sent.startswith(b"HTTP/1.1 400 ")
    assert (api.requests, pipe.incoming.qsize() > 90) == ([], True)


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET /info\r\n\r\n",
        b"GET /info HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n",
        b"GET /info HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"GET /info HTTP/1.1\r\n" + b"A: " + b"x" * 70_000,
        b"POST /exec/a/start HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_what_is_no_http_is_refused_and_ends_the_connection(sent: bytes):
    api, pipe = FakeApi(), MemoryPipe(sent, b"GET /info HTTP/1.1\r\nHost: x\r\n\r\n")
    serve(api, pipe)
    assert (pipe.sent[:10], api.requests) == (b"HTTP/1.1 4", [])


@given(st.lists(st.binary(max_size=200), max_size=5))
def test_whatever_comes_ends_without_an_error(pieces: list[bytes]):
    serve(FakeApi(), MemoryPipe(*(piece for piece in pieces if piece)))


def test_a_stream_comes_in_chunks_and_the_connection_goes_on():
    one = b"GET /containers/web/logs?stdout=1 HTTP/1.1\r\nHost: x\r\n\r\n"
    stream = FakeStream(b"abc", b"de")
    pipe = MemoryPipe(one, b"GET /info HTTP/1.1\r\nHost: x\r\n\r\n")
    api = FakeApi(StreamAnswer(stream, "text/x", frozenset({"logs"})), Answer({}))
    made = serve(api, pipe)
    assert b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\nHTTP/1.1 200" in pipe.sent
    assert (stream.closed.is_set(), made.needs, len(api.requests)) == (True, frozenset(), 2)


def test_a_stream_that_breaks_off_ends_without_its_last_chunk():
    stream = FakeStream(b"abc", EngineDown("gone"))
    pipe = MemoryPipe(b"GET /containers/web/logs?stdout=1 HTTP/1.1\r\nHost: x\r\n\r\n")
    serve(FakeApi(StreamAnswer(stream, "text/x", frozenset())), pipe)
    assert pipe.sent.endswith(b"3\r\nabc\r\n")
    assert stream.closed.is_set()


def test_a_command_takes_the_connection_over_with_what_was_sent_already():
    session = FakeSession(b"out", wanted=b"typed more")
    pipe = MemoryPipe(START + b"typed ", b"more")
    serve(FakeApi(Takeover(session, False, frozenset({"exec"}))), pipe)  # type: ignore[arg-type]
    head, _, rest = pipe.sent.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 UPGRADED")
    assert b"multiplexed-stream" in head
    assert (rest, session.got) == (b"\2\0\0\0\0\0\0\3out", b"typed more")
    assert session.input_ended
    assert session.closed.is_set()


def test_a_terminal_s_output_has_no_frames():
    pipe = MemoryPipe(START)
    serve(FakeApi(Takeover(FakeSession(b"a", b"b"), True, frozenset())), pipe)  # type: ignore[arg-type]
    assert pipe.sent.endswith(b"raw-stream\r\n\r\nab")


def test_a_command_whose_engine_goes_away_ends_the_connection():
    session = FakeSession(b"a", EngineDown("gone"))
    serve(FakeApi(Takeover(session, True, frozenset())), MemoryPipe(START))  # type: ignore[arg-type]
    assert session.closed.is_set()


@pytest.mark.parametrize("more", [b"", b"Connection: Upgrade\r\nUpgrade: h2c\r\n", b"Connection: Upgrade\r\n"])
def test_a_command_needs_a_connection_that_can_be_taken_over(more: bytes):
    pipe = MemoryPipe(b"POST /exec/a/start HTTP/1.1\r\nHost: x\r\n" + more + b"Content-Length: 2\r\n\r\n{}")
    api = FakeApi()
    serve(api, pipe)
    assert (pipe.sent[:12], api.requests) == (b"HTTP/1.1 400", [])
    assert b"Upgrade: tcp" in pipe.sent


def test_a_detached_command_needs_none():
    body = b'{"Detach":true}'
    pipe = MemoryPipe(b"POST /exec/a/start HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    serve(FakeApi(Answer()), pipe)
    assert pipe.sent.startswith(b"HTTP/1.1 200")


def test_a_silent_client_is_let_go_after_its_time():
    idle, begun = MemoryPipe(silent=True), MemoryPipe(b"GET /in", silent=True)
    serve(FakeApi(), idle)
    serve(FakeApi(), begun)
    in_body = MemoryPipe(b"POST /exec/a/start HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n", silent=True)
    serve(FakeApi(), in_body)
    assert (idle.timeouts, in_body.timeouts) == (
        [connection.IDLE_TIMEOUT],
        [connection.IDLE_TIMEOUT, connection.REQUEST_TIMEOUT],
    )
    assert idle.sent == begun.sent == b""


def test_a_client_that_takes_nothing_more_ends_what_runs():
    session, pipe = FakeSession(b"a", b"b"), MemoryPipe(START)
    pipe.broken = True
    serve(FakeApi(Takeover(session, True, frozenset())), pipe)  # type: ignore[arg-type]
    assert session.closed.is_set()


def test_closing_ends_a_command_and_what_it_took_is_known_meanwhile():
    session = FakeSession(wanted=b"never")
    made = DockerConnection(FakeApi(Takeover(session, True, frozenset({"exec"}))), MemoryPipe(START))  # type: ignore[arg-type]
    thread = threading.Thread(target=made.serve, daemon=True)
    thread.start()
    until = time.monotonic() + 10
    while not made.needs and time.monotonic() < until:
        time.sleep(0.005)
    assert made.needs == {"exec"}
    made.close()
    thread.join(10)
    assert (thread.is_alive(), session.closed.is_set()) == (False, True)


def test_what_is_opened_after_the_end_is_closed_at_once():
    session = FakeSession(b"out")
    api: Any = FakeApi()
    made = DockerConnection(api, MemoryPipe())
    made.close()
    made._take_over(Takeover(session, True, frozenset({"exec"})))  # type: ignore[arg-type]
    assert (session.closed.is_set(), session.got) == (True, b"")
