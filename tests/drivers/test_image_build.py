"""The request for a build and the engine's lines: only what is meant is sent, and what is said is read with care."""

from __future__ import annotations

import base64
import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core import read_budgets
from apps.core.read_budgets import ReadBudget
from apps.drivers.base import Endpoint, EngineDown, EngineError, EngineOverBudget
from apps.drivers.docker.image_build import DockerBuild, build_headers, build_query, read_output
from apps.drivers.image_builds import BuildOutput, BuildRequest
from corral_agent.engine_proxy import rules
from corral_agent.engine_proxy.rules import Rule

IMAGE = "sha256:" + "a" * 64


def said(*lines: dict[str, Any]) -> list[BuildOutput]:
    return list(read_output(lines))


def test_the_query_has_what_is_set_and_nothing_else():
    assert parse_qs(build_query(BuildRequest("shop:2"))) == {
        "version": ["1"],
        "t": ["shop:2"],
        "dockerfile": ["Dockerfile"],
        "rm": ["1"],
        "forcerm": ["1"],
    }
    full = BuildRequest(
        "shop:2", "docker/D", {"A": "x&y=z;"}, "stage", no_cache=True, pull=True, labels={"io.corral.build": "1"}
    )
    found = parse_qs(build_query(full))
    assert json.loads(found["buildargs"][0]) == {"A": "x&y=z;"}
    assert json.loads(found["labels"][0]) == {"io.corral.build": "1"}
    assert (found["target"], found["nocache"], found["pull"]) == (["stage"], ["1"], ["1"])


@given(
    name=st.text(max_size=30),
    dockerfile=st.text(max_size=30),
    target=st.text(max_size=30),
    arguments=st.dictionaries(st.text(max_size=10), st.text(max_size=20), max_size=3),
)
def test_agents_let_every_query_of_the_portal_through(
    name: str, dockerfile: str, target: str, arguments: dict[str, str]
):
    request = BuildRequest(name or "x", dockerfile or "x", arguments, target, no_cache=True, pull=True)
    with contextlib.suppress(UnicodeEncodeError):  # what no database holds
        assert isinstance(rules.find_rule("POST", "/build", build_query(request)), Rule)


def test_accounts_are_in_a_header_by_their_registries():
    assert build_headers(BuildRequest("shop:2")) == {}
    login = {"username": "ann", "password": "t0ken", "serveraddress": "registry.test"}
    request = BuildRequest("shop:2", logins=(login,))
    header = build_headers(request)["X-Registry-Config"]
    assert json.loads(base64.urlsafe_b64decode(header)) == {"registry.test": login}
    assert "t0ken" not in repr(request)


def test_what_the_engine_says_is_text_and_the_image_comes_last():
    found = said(
        {"stream": "Step 1/1 : FROM x\n"},
        {"status": "Pulling from x", "id": "latest"},
        {"status": "Downloading", "id": "abc", "progressDetail": {"current": 1, "total": 2}},
        {"status": "Status: Downloaded"},
        {"unknown": 1},
        {"aux": {"ID": IMAGE}},
        {"stream": "Successfully built aaaaaaaaaaaa\n"},
    )
    assert "".join(each.text for each in found) == (
        "Step 1/1 : FROM x\nlatest: Pulling from x\nStatus: Downloaded\nSuccessfully built aaaaaaaaaaaa\n"
    )
    assert found[-1] == BuildOutput("", IMAGE)


def test_engines_that_give_no_id_apart_say_it_in_a_line():
    assert said({"stream": "Successfully built 0123456789ab\n"})[-1].image_id == "0123456789ab"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ({"error": "x", "errorDetail": {"code": 1, "message": "non-zero code: 1"}}, "non-zero code"),
        ({"error": "no detail"}, "no detail"),
        ({"errorDetail": {}, "error": ""}, None),
    ],
)
def test_an_error_is_raised_with_its_words(line: dict[str, Any], reason: str | None):
    with pytest.raises(EngineError, match=reason or "stopped in the middle"):
        said({"stream": "Step 1\n"}, line)


@pytest.mark.parametrize("aux", [None, 1, [], {"ID": "x"}, {"ID": None}, {"ID": "sha256:../.."}])
def test_what_is_no_id_is_none(aux: Any):
    with pytest.raises(EngineDown, match="in the middle"):
        said({"aux": aux})


class _Engine:
    """Reads a request to the end of its body, answers `answer`, and then closes or stands still."""

    def __init__(self, folder: Path, answer: bytes, *, closes: bool = True) -> None:
        self.endpoint = Endpoint(f"unix://{folder}/build.sock")
        self.received = b""
        self.was_left = threading.Event()
        self._answer, self._closes = answer, closes
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(f"{folder}/build.sock")
        self._socket.listen()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):  # nobody came, or who came left
            line, _address = self._socket.accept()
            with line:
                while not self.received.endswith(b"0\r\n\r\n") and (piece := line.recv(65536)):
                    self.received += piece
                line.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + self._answer)
                if not self._closes:
                    line.recv(1)
                    self.was_left.set()

    def end(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # ends an accept that nobody would answer
        self._socket.close()
        self._thread.join(5)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Any]:
    made: list[_Engine] = []

    def make(answer: bytes, *, closes: bool = True) -> _Engine:
        made.append(_Engine(tmp_path, answer, closes=closes))
        return made[-1]

    yield make
    for each in made:
        each.end()


def build(found: _Engine) -> DockerBuild:
    return DockerBuild(found.endpoint, "/v1.41/build", BuildRequest("shop:2"), [b"con", b"text"])


def test_a_context_is_sent_in_chunks_with_the_query(engine: Any):
    found = engine(json.dumps({"aux": {"ID": IMAGE}}).encode() + b"\r\n")
    assert list(build(found)) == [BuildOutput("", IMAGE)]
    assert found.received.startswith(b"POST /v1.41/build?version=1&t=shop%3A2&")
    assert b"3\r\ncon\r\n4\r\ntext\r\n0\r\n\r\n" in found.received


def test_a_build_that_is_closed_leaves_the_engine(engine: Any):
    found = engine(b'{"stream": "Step 1\\n"}\r\n', closes=False)
    stream = build(found)
    pieces = iter(stream)
    assert next(pieces).text == "Step 1\n"
    stream.close()
    with pytest.raises(EngineDown):
        next(pieces)
    assert found.was_left.wait(5)


def test_one_that_was_closed_before_it_began_sends_nothing(engine: Any):
    found = engine(b"")
    stream = build(found)
    stream.close()
    with pytest.raises(EngineDown):
        list(stream)
    assert b"context" not in found.received


def test_a_log_without_an_end_is_given_up(engine: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(read_budgets, "ENGINE_BUILD", ReadBudget("the log of a build", 1000, 60.0))
    found = engine(b'{"stream": "x\\n"}\r\n' * 1000)
    with pytest.raises(EngineOverBudget, match="the log of a build"):
        list(build(found))
