"""GETs through a tunnel: an agent's answer is taken as agreed, in whatever pieces it comes, or refused in words."""

from __future__ import annotations

import asyncio
import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core import read_budgets
from apps.core.read_budgets import ReadBudget
from apps.core.texts import strip_unstorable
from apps.drivers.docker.http_message import HEAD_LIMIT
from apps.hosts.tunnels import agent_http
from apps.hosts.tunnels.agent_http import AgentResponseError, get, get_json
from apps.hosts.tunnels.ssh_client import ENGINE_SOCKET


class Channel:
    """Both ends of one channel: says its pieces, notes what is written."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = list(pieces)
        self.sent = b""
        self.closed = 0

    async def read(self, _most: int) -> bytes:
        return self._pieces.pop(0) if self._pieces else b""

    def write(self, data: bytes) -> None:
        self.sent += data

    def close(self) -> None:
        self.closed += 1


class Connection:
    """An SSH connection on which every channel is the given one."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.opened: list[tuple[str, Any]] = []

    async def open_unix_connection(self, path: str, *, encoding: Any) -> tuple[Channel, Channel]:
        self.opened.append((path, encoding))
        return self.channel, self.channel


HEAD = b"HTTP/1.0 200 OK\r\nServer: agent\r\n\r\n"


def request_parsed(*pieces: bytes, path: str = "/corral/v1/hello") -> tuple[Any, Channel]:
    channel = Channel(*pieces)
    return asyncio.run(get_json(Connection(channel), path)), channel  # type: ignore[arg-type]


def request_error(*pieces: bytes, path: str = "/corral/v1/hello") -> tuple[str, Channel]:
    channel = Channel(*pieces)
    with pytest.raises(AgentResponseError) as answer:
        asyncio.run(get_json(Connection(channel), path))  # type: ignore[arg-type]
    return str(answer.value), channel


def json_lines(*pieces: bytes) -> list[dict[str, Any]]:
    async def scenario() -> list[dict[str, Any]]:
        answer = await get(Connection(Channel(*pieces)), "/events")  # type: ignore[arg-type]
        return [found async for found in answer.json_lines()]

    return asyncio.run(scenario())


def test_the_question_is_plain_http() -> None:
    _answer, channel = request_parsed(HEAD + b"{}", path="/x?a=1&b=2")
    assert channel.sent == b"GET /x?a=1&b=2 HTTP/1.0\r\nHost: engine\r\nUser-Agent: corral\r\n\r\n"


def test_it_goes_to_the_agent_s_engine_as_bytes() -> None:
    connection = Connection(Channel(HEAD + b"{}"))
    asyncio.run(get_json(connection, "/x"))  # type: ignore[arg-type]
    assert connection.opened == [(ENGINE_SOCKET, None)]


WHOLE = HEAD + b'{"clock": 12.5, "agent": "1.0"}'


@given(st.lists(st.integers(1, len(WHOLE) - 1), max_size=5))
def test_an_answer_is_the_same_in_any_pieces(cuts: list[int]) -> None:
    at = [0, *sorted(set(cuts)), len(WHOLE)]
    found, channel = request_parsed(*[WHOLE[a:b] for a, b in itertools.pairwise(at)])
    assert found == {"clock": 12.5, "agent": "1.0"}
    assert channel.closed == 1


@pytest.mark.parametrize(
    ("pieces", "words"),
    [
        pytest.param([], "closed the connection instead of answering /corral/v1/hello", id="nothing"),
        pytest.param([b"HTTP/1.0 200 OK\r\n"], "closed the connection", id="half a head"),
        pytest.param([b"HTTP/1.0 404 Not Found\r\n\r\n"], "answered /corral/v1/hello with 404 Not.", id="not found"),
        pytest.param([b"HTTP/1.1 503\r\n\r\n{}"], "with 503.", id="a status without its phrase"),
        pytest.param([b"HTTP/1.1 2000 OK\r\n\r\n{}"], "with 2000 OK.", id="no success"),
        pytest.param([b"\r\n\r\n{}"], "with .", id="no status at all"),
        pytest.param([b"nonsense\r\n\r\n{}"], "with .", id="one word"),
        pytest.param([b"HTTP/1.1 \xff\xfe\r\n\r\n"], "with", id="bytes that are no text"),
        pytest.param([HEAD, b"{"], "no JSON.", id="half an object"),
        pytest.param([HEAD], "no JSON.", id="no body"),
        pytest.param([HEAD, b"\xff"], "no JSON.", id="no text"),
        pytest.param([HEAD, b"[1]"], "no JSON object", id="a list"),
        pytest.param([HEAD, b"null"], "no JSON object", id="null"),
    ],
)
def test_another_answer_is_refused_in_words_and_its_channel_let_go(pieces: list[bytes], words: str) -> None:
    error_text, channel = request_error(*pieces)
    assert words in error_text
    assert channel.closed == 1


def test_what_is_asked_with_is_not_repeated_in_the_refusal() -> None:
    error_text, _channel = request_error(b"HTTP/1.0 500 No\r\n\r\n", path="/x?secret=1")
    assert "secret" not in error_text


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_head_without_an_end_is_given_up(count: int) -> None:
    error_text, _channel = request_error(*[b"x" * (HEAD_LIMIT // count + 1)] * (count + 1))
    assert "instead of answering" in error_text


def test_a_body_without_an_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent_http, "_CALL", ReadBudget("the answer to one call", 100, 1.0))
    error_text, channel = request_error(HEAD, *[b" " * 60] * 50)
    assert "sent more than 100 bytes" in error_text
    assert channel.closed == 1


def test_an_agent_that_says_nothing_is_waited_for_only_so_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent_http, "TIMEOUT", 0.01)

    class Silent(Channel):
        async def read(self, _most: int) -> bytes:
            await asyncio.Event().wait()
            return b""

    channel = Silent()
    with pytest.raises(TimeoutError):
        asyncio.run(get(Connection(channel), "/x"))  # type: ignore[arg-type]
    assert channel.closed == 1


@pytest.mark.parametrize(
    ("pieces", "found"),
    [
        pytest.param([b'{"a":1}\n{"a":2}\n'], [{"a": 1}, {"a": 2}], id="two at once"),
        pytest.param([b'{"a"', b":1}", b"\n"], [{"a": 1}], id="one in pieces"),
        pytest.param([b'{"a":1}\n{"a":'], [{"a": 1}], id="a half one at the end is none"),
        pytest.param([b'nonsense\n{"a":1}\n'], [{"a": 1}], id="rubbish is passed over"),
        pytest.param([b'[1]\nnull\n"x"\n{"a":1}\n'], [{"a": 1}], id="what is no object is passed over"),
        pytest.param([b'\n\r\n{"a":1}\r\n'], [{"a": 1}], id="empty lines"),
        pytest.param([b'\xff\xfe\n{"a":1}\n'], [{"a": 1}], id="bytes that are no text"),
        pytest.param([], [], id="none"),
    ],
)
def test_objects_come_one_a_line(pieces: list[bytes], found: list[dict[str, Any]]) -> None:
    assert json_lines(HEAD, *pieces) == found


def test_objects_may_begin_in_the_head_s_piece() -> None:
    assert json_lines(HEAD + b'{"a":1}\n{"b"', b":2}\n") == [{"a": 1}, {"b": 2}]


def test_a_line_without_an_end_ends_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_budgets, "MAX_LINE_BYTES", 100)
    with pytest.raises(AgentResponseError, match="a line of more than 100 bytes"):
        json_lines(HEAD, b'{"a":1}\n', *[b"x" * 60] * 5, b'\n{"b":2}\n')


ROWS = st.lists(st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=10), max_size=3), max_size=6)


@given(ROWS, st.integers(1, 7))
def test_any_objects_come_through_whole(rows: list[dict[str, Any]], size: int) -> None:
    text = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
    assert json_lines(HEAD, *[text[at : at + size] for at in range(0, len(text), size)]) == strip_unstorable(rows)
