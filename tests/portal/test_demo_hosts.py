"""The demonstration's simulated hosts are enrolled as the API says, once, and stopped with it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from portal.boot.terminal import CannotStart
from portal.tools import demo_hosts
from portal.tools.demo_hosts import SimulatedHosts

URL = "http://localhost:8080/v1/scripts/t:1:x"


class Api:
    """Answers what the demonstration asks for; `asked` are the paths that it wrote to."""

    def __init__(self) -> None:
        self.projects: list[dict[str, Any]] = []
        self.tokens: list[dict[str, Any]] = []
        self.hosts = 3
        self.wrote: list[str] = []

    def __call__(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        if body is not None:
            return self._write(path, body)
        answers: dict[str, dict[str, Any]] = {
            "projects": {"data": self.projects},
            "projects/1a9": {"state": "active"},
            "projects/1a9/registrationtokens": {"data": self.tokens},
            "projects/1a9/registrationtokens/1c1": {"registrationUrl": URL},
            "projects/1a9/hosts": {"data": [{"state": "active"}] * self.hosts},
        }
        return answers[path.partition("?")[0]]

    def _write(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        self.wrote.append(path)
        if path == "projects":
            self.projects.append({"id": "1a9", **body})
            return self.projects[0]
        self.tokens.append({"id": "1c1"})
        return self.tokens[0]


class Agents:
    """A child that does nothing; `made` are all that were begun."""

    made: list[Agents]

    def __init__(self, command: list[str], env: dict[str, str], **_: Any) -> None:
        self.command, self.environment = command, env
        self.code: int | None = None
        self.made.append(self)

    def poll(self) -> int | None:
        return self.code

    def terminate(self) -> None:
        self.code = 0

    def wait(self) -> int:
        assert self.code is not None, "it was never told to end"
        return self.code


@pytest.fixture
def agents(monkeypatch: pytest.MonkeyPatch) -> list[Agents]:
    made: list[Agents] = []
    monkeypatch.setattr(Agents, "made", made, raising=False)
    monkeypatch.setattr(subprocess, "Popen", Agents)
    monkeypatch.setattr("portal.tools.demo_hosts.time.sleep", lambda _: None)
    return made


def test_they_enrol_in_an_environment_of_their_own(agents: list[Agents], tmp_path: Path):
    api = Api()
    hosts = SimulatedHosts(api, tmp_path)
    hosts.start()
    (child,) = agents
    assert child.command[1:] == ["-m", "corral_agent", "--simulate", "3", "--name", "sim", URL]
    assert child.environment["CORRAL_STATE"] == str(tmp_path / "simulated")
    folders = [Path(folder) for folder in child.environment["PYTHONPATH"].split(os.pathsep)]
    for module in ("corral_agent/__main__.py", "simulated_engine/engine.py"):
        assert any((folder / module).is_file() for folder in folders)
    assert api.wrote == ["projects", "projects/1a9/registrationtokens"]
    hosts.stop()
    assert child.code == 0


def test_a_second_run_finds_what_the_first_one_made(agents: list[Agents], tmp_path: Path):
    api = Api()
    SimulatedHosts(api, tmp_path).start()
    SimulatedHosts(api, tmp_path).start()
    assert len(api.wrote) == 2
    assert len(agents) == 2


def test_agents_that_end_are_reported_with_their_log(
    agents: list[Agents], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    api = Api()
    api.hosts = 2
    monkeypatch.setattr(Agents, "poll", lambda _: 1)
    with pytest.raises(CannotStart, match=r"do not come up \(see .*simulated.log\)"):
        SimulatedHosts(api, tmp_path).start()


def test_hosts_that_never_come_are_not_waited_for_for_ever(
    agents: list[Agents], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(demo_hosts, "_TIMEOUT", 0.01)
    api = Api()
    api.hosts = 0
    with pytest.raises(CannotStart, match="do not come up"):
        SimulatedHosts(api, tmp_path).start()


def test_nothing_is_stopped_that_was_never_begun(tmp_path: Path):
    SimulatedHosts(Api(), tmp_path).stop()
