"""Every failure is raised as the error that it means, with the engine's own message."""

from __future__ import annotations

import pytest
import requests
from urllib3.exceptions import NewConnectionError, ProtocolError

from apps.drivers.base import (
    EngineConflict,
    EngineDown,
    EngineError,
    EngineNotFound,
    EngineRefused,
    EngineStuck,
    ImageMissing,
)
from apps.drivers.docker.errors import error_from_response, unreachable_error


@pytest.mark.parametrize(
    ("status", "words", "kind"),
    [
        (400, "invalid reference", EngineRefused),
        (404, "No such container: x", EngineNotFound),
        (404, "No such image: x:1", ImageMissing),
        (404, "network x not found", EngineNotFound),
        (403, "network x has active endpoints", EngineConflict),
        (409, "in use", EngineConflict),
        (500, "driver failed: Bind for 0.0.0.0:80 failed: port is already allocated", EngineConflict),
        (500, "invalid volume specification: 'x'", EngineRefused),
        (500, "disk on fire", EngineError),
        (500, "failed to create task for container: task 627b19: already exists: unknown", EngineStuck),
        (500, "OCI runtime create failed: container with given ID already exists: unknown", EngineStuck),
        (409, "container is marked for removal and cannot be started", EngineStuck),
        (500, "RWLayer of container 627b19 is unexpectedly nil", EngineStuck),
        (500, "mkdir /run/containerd/io.containerd.runtime.v2.task/moby/627b19: file exists: unknown", EngineStuck),
        (500, "network already exists", EngineError),
        (503, "no backend", EngineDown),
    ],
)
def test_a_status_means_an_error(status: int, words: str, kind: type[EngineError]) -> None:
    error = error_from_response(status, f'{{"message": "{words}"}}\n')
    assert type(error) is kind
    assert str(error) == words


@pytest.mark.parametrize(("text", "words"), [("plain\n", "plain"), ("[1]", "[1]"), ('{"message": ""}', "status 500")])
def test_odd_bodies_still_make_words(text: str, words: str) -> None:
    assert words in str(error_from_response(500, text))


def test_the_first_cause_is_reported() -> None:
    cause = ConnectionRefusedError(111, "Connection refused")
    wrapped = requests.ConnectionError(ProtocolError("Connection aborted.", cause))
    assert (
        str(unreachable_error("unix:///x", wrapped)) == "The engine at unix:///x cannot be reached: Connection refused."
    )


def test_a_chained_cause_is_reported() -> None:
    error = NewConnectionError(None, "failed")  # type: ignore[arg-type]
    error.__cause__ = FileNotFoundError(2, "No such file or directory")
    assert str(unreachable_error("unix:///x", error)).endswith("cannot be reached: No such file or directory.")


@pytest.mark.parametrize("error", [TimeoutError("timed out"), requests.ReadTimeout("Read timed out."), TimeoutError()])
def test_silence_is_reported_as_silence(error: Exception) -> None:
    assert str(unreachable_error("tcp://h:1", error)) == "The engine at tcp://h:1 did not answer in time."


def test_an_error_that_is_its_own_cause_ends() -> None:
    error = OSError("odd")
    error.__cause__ = error
    assert "odd" in str(unreachable_error("x", error))


def test_words_that_were_chosen_for_people_hide_what_is_behind_them() -> None:
    chosen = ConnectionRefusedError("the socket cannot be opened there")
    chosen.__context__, chosen.__suppress_context__ = OSError(5, "noise"), True
    assert "the socket cannot be opened there" in str(unreachable_error("ssh://h", chosen))
    chosen.__suppress_context__ = False
    assert "noise" in str(unreachable_error("ssh://h", chosen))
