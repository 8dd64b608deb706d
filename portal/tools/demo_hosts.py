"""Simulated hosts for the demonstration, in an environment of their own and registered as real ones are."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from portal.boot.terminal import CannotStart

ENVIRONMENT_NAME, HOST_COUNT = "Simulated", 3
_ROOT = Path(__file__).resolve().parents[2]
_PYTHONPATH = os.pathsep.join((str(_ROOT / "agent"), str(_ROOT)))  # the agent, and the engine that it simulates
_TIMEOUT = 60.0

Json = dict[str, Any]
ApiCall = Callable[..., Json]


class SimulatedHosts:
    """One child process with all of their agents; `api` makes requests as an account that may create environments."""

    def __init__(self, api: ApiCall, folder: Path) -> None:
        self._api, self._folder = api, folder
        self._agents: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Register them and wait until they are active. Raises `CannotStart`."""
        project = f"projects/{self._environment()['id']}"
        command = ["--simulate", str(HOST_COUNT), "--name", "sim", self._registration_url(project)]
        environment = {**os.environ, "PYTHONPATH": _PYTHONPATH, "CORRAL_STATE": str(self._folder / "simulated")}
        with (self._folder / "simulated.log").open("ab") as log:
            self._agents = subprocess.Popen(
                [sys.executable, "-m", "corral_agent", *command], env=environment, stdout=log, stderr=log
            )
        self._await(lambda: self._active(project) >= HOST_COUNT, "the simulated hosts do not come up")

    def _environment(self) -> Json:
        found = self._api(f"projects?name={ENVIRONMENT_NAME}&removed_null=1")["data"]
        wanted = {"name": ENVIRONMENT_NAME, "description": "Hosts that are simulated, with images sim:*"}
        made: Json = found[0] if found else self._api("projects", wanted)
        self._await(lambda: self._api(f"projects/{made['id']}")["state"] == "active", "the environment is not made")
        return made

    def _registration_url(self, project: str) -> str:
        tokens = self._api(f"{project}/registrationtokens")["data"] or [self._api(f"{project}/registrationtokens", {})]
        path = f"{project}/registrationtokens/{tokens[0]['id']}"
        self._await(lambda: bool(self._api(path)["registrationUrl"]), "there is no registration URL")
        return str(self._api(path)["registrationUrl"])

    def _active(self, project: str) -> int:
        return sum(row["state"] == "active" for row in self._api(f"{project}/hosts")["data"])

    def _await(self, condition: Callable[[], bool], failure: str) -> None:
        deadline = time.monotonic() + _TIMEOUT
        while not condition():
            if time.monotonic() > deadline or (self._agents is not None and self._agents.poll() is not None):
                raise CannotStart(f"{failure} (see {self._folder / 'simulated.log'}).")
            time.sleep(0.2)

    def stop(self) -> None:
        """Stop their agents."""
        if self._agents is not None:
            self._agents.terminate()
            self._agents.wait()
