"""What is said of an image on its way to hosts, as rancher-compose said it, and when it counts as failed."""

from __future__ import annotations

import io
from typing import Any

import pytest

from corral_cli.compose_log import ComposeLog
from corral_cli.errors import CliError, ExitCode
from corral_cli.image_pull import ImagePuller
from corral_cli.terminal import UserTerminal
from corral_cli.waiting import Waiter


class PullingPortal:
    """Answers a request for a pull, and each look at it, with the next of its statuses."""

    def __init__(self, *statuses: dict[str, str], message: str = "") -> None:
        self._message = message
        self._statuses = list(statuses)
        self.requests: list[Any] = []

    def post(self, path: str, body: Any) -> Any:
        self.requests.append((path, body))
        return self._next()

    def reload(self, _resource: Any) -> Any:
        return self._next()

    def _next(self) -> Any:
        status = self._statuses.pop(0)
        is_under_way = "Pulling" in status.values()
        return {
            "id": "1go1",
            "type": "pullTask",
            "image": "web:1",
            "status": status,
            "state": "activating" if is_under_way else "active",
            "transitioning": "yes" if is_under_way else "no",
            "transitioningMessage": "0 of 2 hosts done" if is_under_way else self._message or None,
        }


def pull(
    *statuses: dict[str, str], only_present: bool = False, message: str = ""
) -> tuple[list[str], PullingPortal, CliError | None]:
    portal: Any = PullingPortal(*statuses, message=message)
    err = io.StringIO()
    terminal = UserTerminal(io.StringIO(), err, io.StringIO(), {}, sleep=lambda _seconds: None, now=lambda: 0.0)
    log = ComposeLog(terminal, "shop")
    error = None
    try:
        ImagePuller(portal, log, Waiter(portal, terminal), only_present=only_present).pull(["web:1"], {"a": "b"})
    except CliError as found:
        error = found
    said = [line.partition("msg=")[2].strip('"') for line in err.getvalue().splitlines() if "msg=" in line]
    return said, portal, error


def test_each_host_is_said_once_when_it_begins_and_once_when_it_has_the_image():
    said, portal, error = pull(
        {"h1": "Pulling", "h2": "Pulling"},
        {"h1": "Done", "h2": "Pulling"},
        {"h1": "Done", "h2": "Pulling"},
        {"h1": "Done", "h2": "Done"},
    )
    assert error is None
    assert said == [
        "Checking for web:1 on h1...",
        "Checking for web:1 on h2...",
        "Finished web:1 on h1",
        "Finished web:1 on h2",
        "Finished pulling web:1",
    ]
    assert portal.requests == [("pulltasks", {"image": "web:1", "labels": {"a": "b"}, "mode": "all"})]


def test_what_is_there_already_is_finished_at_once():
    said, _portal, error = pull({"h1": "Done"})
    assert error is None
    assert said == ["Checking for web:1 on h1...", "Finished web:1 on h1", "Finished pulling web:1"]


def test_why_a_host_does_not_have_it_is_said_and_ends_the_command():
    said, _portal, error = pull({"h1": "Pulling", "h2": "Pulling"}, {"h1": "Done", "h2": "no such image"})
    assert said == [
        "Checking for web:1 on h1...",
        "Checking for web:1 on h2...",
        "Finished web:1 on h1",
        "Checking for web:1 on h2: no such image",
    ]
    assert error is not None
    assert error.code is ExitCode.FAILED
    assert str(error) == "Pull failed on one of the hosts: web:1 is not on h2."


def test_only_hosts_that_have_had_it_are_meant_when_that_is_said():
    _said, portal, _error = pull({"h1": "Done"}, only_present=True)
    assert portal.requests[0][1]["mode"] == "cached"


@pytest.mark.parametrize("status", ["\x1b[31mred", "line\nbreak"])
def test_what_a_host_says_does_not_steer_the_terminal(status: str):
    said, _portal, error = pull({"h1": status})
    assert error is not None
    assert all(line.isprintable() for line in said)


def test_what_a_mirror_did_is_said_in_the_end():
    said, _portal, error = pull(
        {"h1": "Pulling", "h2": "Done"},
        {"h1": "Done", "h2": "Done"},
        message="h1: Pulled from the mirror m.test.\nh2: Pulled from Docker Hub: the mirror m.test failed.",
    )
    assert error is None
    assert said[-3:] == [
        "h1: Pulled from the mirror m.test.",
        "h2: Pulled from Docker Hub: the mirror m.test failed.",
        "Finished pulling web:1",
    ]
