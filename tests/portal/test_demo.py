"""The demonstration's conversation with its portal: what it asks, what it remembers, and how it gives up in words."""

from __future__ import annotations

import base64
import json
import stat
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from portal.boot.terminal import CannotStart
from portal.tools import demo


class Child:
    """A portal that runs until it is told to end."""

    def __init__(self, code: int | None = None) -> None:
        self.code = code
        self.terminate_count = 0

    def poll(self) -> int | None:
        return self.code

    def terminate(self) -> None:
        self.terminate_count += 1
        self.code = 0

    def wait(self) -> int:
        assert self.code is not None, "it was never told to end"
        return self.code


@pytest.fixture
def show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> demo.Demo:
    monkeypatch.setenv("PORT", "")
    monkeypatch.setattr("portal.tools.demo.time.sleep", lambda _: None)
    made = demo.Demo(tmp_path)
    made._state = {"accessKey": "AK", "secretKey": "SK", "accountKey": "A:B"}
    return made


def answering(monkeypatch: pytest.MonkeyPatch, show: demo.Demo, *answers: Any) -> list[tuple[Any, ...]]:
    """Answer its requests in turn, the last answer again and again; what was asked."""
    calls_made: list[tuple[Any, ...]] = []
    left = list(answers)

    def ask(*words: Any, **more: Any) -> Any:
        calls_made.append((*words, *more.values()))
        return left.pop(0) if len(left) > 1 else left[0]

    monkeypatch.setattr(show, "_api", ask)
    return calls_made


def rows(*states: str) -> dict[str, Any]:
    return {
        "data": [
            {"name": f"WEB-Server_nginx-cluster_{n}", "state": state, "transitioningMessage": "no port free"}
            for n, state in enumerate(states, 1)
        ]
    }


@pytest.mark.parametrize(("port", "base"), [("", "http://localhost:8080"), (" 9090 ", "http://localhost:9090")])
def test_it_speaks_to_the_port_that_the_portal_listens_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, port: str, base: str
) -> None:
    monkeypatch.setenv("PORT", port)
    assert demo.Demo(tmp_path)._base == base


def test_what_it_notes_is_for_its_owner_and_there_the_next_time(tmp_path: Path) -> None:
    first = demo.Demo(tmp_path)
    first._remember(password="x")
    first._remember(accessKey="AK")
    assert stat.S_IMODE((tmp_path / "demo.json").stat().st_mode) == 0o600
    assert demo.Demo(tmp_path)._state == {"password": "x", "accessKey": "AK"}


@pytest.mark.parametrize(
    ("path", "url"),
    [("hosts", "http://localhost:8080/v1/hosts"), ("http://localhost:8080/v1/x/1", "http://localhost:8080/v1/x/1")],
)
def test_a_request_carries_its_key_in_a_header(
    show: demo.Demo, monkeypatch: pytest.MonkeyPatch, path: str, url: str
) -> None:
    seen: list[Any] = []

    class Answer:
        def __enter__(self) -> Answer:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def read(self) -> bytes:
            return b'{"id": "1"}'

    def urlopen(request: Any, timeout: float) -> Answer:
        seen.append(request)
        assert timeout > 0
        return Answer()

    monkeypatch.setattr("portal.tools.demo.urllib.request.urlopen", urlopen)
    assert show._api(path, {"a": 1}) == {"id": "1"}
    (request,) = seen
    assert request.full_url == url
    assert request.get_header("Authorization") == f"Basic {base64.b64encode(b'AK:SK').decode()}"
    assert json.loads(request.data) == {"a": 1}
    assert "SK" not in request.full_url


def test_an_unreachable_portal_is_reported_in_words(show: demo.Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr("portal.tools.demo.urllib.request.urlopen", refuse)
    with pytest.raises(CannotStart, match=r"the API does not answer \(.*refused"):
        show._api("hosts")


@pytest.mark.parametrize("states", [["active"], ["inactive", "active"], ["active", "active"]])
def test_one_active_host_is_enough(show: demo.Demo, monkeypatch: pytest.MonkeyPatch, states: list[str]) -> None:
    calls_made = answering(monkeypatch, show, {"data": []}, rows("registering"), rows(*states))
    show._await_host()
    assert len(calls_made) == 3


def test_without_an_engine_it_says_so(show: demo.Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, show, {"data": []})
    show._portal = Child(1)  # type: ignore[assignment]  # it has what is used
    with pytest.raises(CannotStart, match="no Docker engine answers"):
        show._await_host()


def test_it_waits_until_all_containers_run(show: demo.Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    calls_made = answering(monkeypatch, show, rows(*["starting"] * 10), rows(*["running"] * 9), rows(*["running"] * 10))
    show._await_running()
    assert len(calls_made) == 3


def test_containers_that_do_not_come_are_reported_with_their_reason(
    show: demo.Demo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "_DEPLOY_TIMEOUT", -1.0)
    answering(monkeypatch, show, rows("running", "error"))
    with pytest.raises(CannotStart, match="not all containers run: no port free"):
        show._await_running()


def test_other_containers_are_not_counted(show: demo.Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    taken_in = {"name": "WEB-Server_nginx-cluster_2", "nativeContainer": True}
    answering(monkeypatch, show, {"data": [{"name": "web"}, {"name": "WEB-Server_nginx-cluster_1"}, taken_in]})
    assert [row["name"] for row in show._containers()] == ["WEB-Server_nginx-cluster_1"]


def test_ports_are_printed_in_order(show: demo.Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    points = [{"port": 49160}, {"port": 49153}]
    answering(monkeypatch, show, {"data": [{"publicEndpoints": points}, {"publicEndpoints": None}]})
    assert show._ports() == [49153, 49160]


@pytest.mark.parametrize(("clean", "asked_for"), [("1", True), ("0", False), ("", False), (" 1 ", True)])
def test_the_stack_is_taken_away_only_where_that_is_wanted(
    show: demo.Demo, monkeypatch: pytest.MonkeyPatch, clean: str, *, asked_for: bool
) -> None:
    monkeypatch.setenv("DEMO_CLEAN", clean)
    child = Child()
    show._portal = child  # type: ignore[assignment]  # it has what is used
    calls_made = answering(monkeypatch, show, {"data": [{"links": {"self": "http://x/1"}}]}, {}, {"data": []})
    assert show.stop() == 0
    assert child.terminate_count == 1
    assert bool(calls_made) is asked_for
    assert (("http://x/1", "DELETE") in calls_made) is asked_for


def test_a_stack_that_cannot_be_taken_away_keeps_nobody_from_leaving(
    show: demo.Demo, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: Any) -> Any:
        raise CannotStart("the API does not answer.")

    monkeypatch.setenv("DEMO_CLEAN", "1")
    monkeypatch.setattr(show, "_api", fail)
    show._portal = Child()  # type: ignore[assignment]  # it has what is used
    assert show.stop() == 0
    assert "The sample stack was left: the API does not answer." in capsys.readouterr().out


def test_a_portal_that_ended_by_itself_is_not_signalled(show: demo.Demo) -> None:
    child = Child(3)
    show._portal = child  # type: ignore[assignment]  # it has what is used
    assert show.stop() == 3
    assert child.terminate_count == 0
    show._portal = None
    assert show.stop() == 1


@pytest.mark.parametrize(
    ("code", "errors", "words"),
    [(0, "", ""), (1, "Traceback\nCommandError: no such login\n", "no such login"), (2, "  \n", "no reason given")],
)
def test_a_management_command_answers_or_says_why_not(
    monkeypatch: pytest.MonkeyPatch, code: int, errors: str, words: str
) -> None:
    def run(command: list[str], **more: Any) -> SimpleNamespace:
        assert command[1:] == ["manage.py", "first_admin", "--login", "admin"]
        assert (more["input"], more["timeout"] > 0) == ("secret\n", True)
        return SimpleNamespace(returncode=code, stdout="done", stderr=errors)

    monkeypatch.setattr(subprocess, "run", run)
    if code:
        with pytest.raises(CannotStart, match=f"manage.py first_admin: .*{words}"):
            demo._run_manage("first_admin", "--login", "admin", stdin="secret\n")
    else:
        assert demo._run_manage("first_admin", "--login", "admin", stdin="secret\n") == "done"


def test_without_an_engine_here_the_image_is_one_that_is_pulled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "local_engine", lambda: None)
    assert demo._demo_image() == "nginx:alpine"
