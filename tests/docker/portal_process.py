"""A real portal as a process, and a client of its API."""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, TypeVar

import requests

T = TypeVar("T")

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "correct horse battery staple"
DEFAULT_ENVIRONMENT = "5"
_FOREIGN_VARIABLES = {"DJANGO_SETTINGS_MODULE", "RUN_DIR", "REDIS_URL", "DATABASE_URL", "DOCKER_HOST"}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def clean_environment(**ours: str) -> dict[str, str]:
    """This process's environment with `ours`, without what leads to another portal's things."""
    return {**{k: v for k, v in os.environ.items() if k not in _FOREIGN_VARIABLES}, **ours}


def wait_until(request: Callable[[], T], *, seconds: float, what: str, pause: float = 0.05) -> T:
    """The first true answer of `request`; fails with `what` and the last answer after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        answer = request()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}; last answer {answer!r}")
        time.sleep(pause)


class Api:
    """The v1 API as its users see it."""

    def __init__(self, base: str, access: str, secret: str) -> None:
        self.base = base
        self.authorization = f"Basic {base64.b64encode(f'{access}:{secret}'.encode()).decode()}"
        self._session = requests.Session()
        self._session.auth = (access, secret)

    def call(self, method: str, path: str, body: Any = None) -> requests.Response:
        """One request, whatever the answer; `path` may be a link of an answer."""
        url = path if path.startswith("http") else f"{self.base}/v1/{path}"
        return self._session.request(method, url, json=body, timeout=30, headers={"Accept": "application/json"})

    def request(self, method: str, path: str, body: Any = None) -> Any:
        """One request that must succeed; the answer's JSON."""
        answer = self.call(method, path, body)
        assert answer.ok, f"{method} {path}: {answer.status_code} {answer.text[:600]}"
        return answer.json() if answer.content else None

    def get(self, path: str) -> Any:
        return self.request("GET", path)

    def create(self, path: str, **body: Any) -> Any:
        return self.request("POST", path, body)

    def act(self, row: Any, action: str, **body: Any) -> Any:
        """An action that the row offers."""
        return self.request("POST", row["actions"][action], body)

    def delete(self, row: Any) -> Any:
        return self.request("DELETE", row["links"]["self"])

    def reload(self, row: Any) -> Any:
        """The row as it is now."""
        return self.get(row["links"]["self"])

    def containers(self, prefix: str = "") -> list[Any]:
        """Those that are not removed, by name."""
        rows = self.get("containers?limit=1000&removed_null=1")["data"]
        return sorted((row for row in rows if row["name"].startswith(prefix)), key=lambda row: str(row["name"]))

    def deploy(
        self, stack: str, service: str, scale: int, unit: Mapping[str, Any] | None = None, **launch: Any
    ) -> tuple[Any, Any]:
        """A stack with one started service of that many containers; `unit` are further fields of the service."""
        made = self.create("environments", name=stack)
        config = {"imageUuid": "docker:bb:local", "ports": ["80/tcp"], **launch}
        wanted = {"name": service, "environmentId": made["id"], "scale": scale, "launchConfig": config, **(unit or {})}
        return made, self.create("services", startOnCreate=True, **wanted)

    def until_state(self, row: Any, *states: str, seconds: float = 60) -> Any:
        """The row once it is in one of the states."""
        found: list[Any] = []

        def check() -> bool:
            found[:] = [self.reload(row)]
            return found[0]["state"] in states

        try:
            wait_until(check, seconds=seconds, what=f"{row['type']} {row['name']} {states}")
        except AssertionError:
            raise AssertionError(f"{row['name']}: not {states} but {found}") from None
        return found[0]

    def until_running(self, prefix: str, count: int, *, seconds: float = 60) -> list[Any]:
        """The containers of that name once there are exactly `count`, all running."""
        rows: list[Any] = []

        def check() -> bool:
            rows[:] = self.containers(prefix)
            return len(rows) == count and all(row["state"] == "running" for row in rows)

        try:
            wait_until(check, seconds=seconds, what="running")
        except AssertionError:
            states = [(row["name"], row["state"], row["transitioningMessage"]) for row in rows]
            raise AssertionError(f"{count} containers of {prefix} should run, there are {states}") from None
        return rows


class PortalProcess:
    """`python -m portal serve` with a data folder and a port of its own; `BIND` is where others reach it too."""

    def __init__(self, data_dir: Path, engine_url: str, **extra: str) -> None:
        self.data_dir, self.port = data_dir, int(extra.get("PORT") or free_port())
        self.address = extra.get("BIND", "127.0.0.1")
        self.base = f"http://{self.address}:{self.port}"
        ours = {"DATA_DIR": str(data_dir), "PORT": str(self.port), "BIND": "127.0.0.1", "INSTALL_DOCKER": "0"}
        self.environment = clean_environment(**{**ours, "DOCKER_HOST": engine_url, **extra})
        self.log = data_dir.parent / f"{data_dir.name}.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *, seconds: float = 120) -> float:
        """Start it and wait for the log-in page; how long that took."""
        began = time.monotonic()
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", "portal", "serve"]
            self.process = subprocess.Popen(command, cwd=ROOT, env=self.environment, stdout=log, stderr=log)
        wait_until(self._is_ready, seconds=seconds, what="the portal's log-in page", pause=0.01)
        return time.monotonic() - began

    def _is_ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()
        connection = HTTPConnection(self.address, self.port, timeout=30)
        try:
            connection.request("GET", "/login")
            return connection.getresponse().status != 503
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and wait for the end; the exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        code, self.process = self.process.wait(60), None
        return code

    def manage(self, *arguments: str, stdin: str = "") -> str:
        """A management command beside the running portal; what it printed."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def api(self) -> Api:
        """A client with a new key of the environment Default; makes the administrator at the first call."""
        if not (self.data_dir / "admin").exists():
            self.manage("first_admin", "--login", "root", stdin=f"{PASSWORD}\n")
            (self.data_dir / "admin").touch()
        key = json.loads(self.manage("api_key", "--login", "root", "--environment", DEFAULT_ENVIRONMENT))
        return Api(self.base, key["accessKey"], key["secretKey"])

    def page(self, path: str) -> str:
        """A page of the console as the administrator sees it."""
        with requests.Session() as browser:
            browser.get(f"{self.base}/login", timeout=30)
            form = {"login": "root", "password": PASSWORD, "csrfmiddlewaretoken": browser.cookies["corral_csrf"]}
            browser.post(f"{self.base}/login", form, timeout=30).raise_for_status()
            answer = browser.get(f"{self.base}{path}", timeout=30)
        answer.raise_for_status()
        return answer.text

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What is in the portal's own database, past everything."""
        connection = sqlite3.connect(self.data_dir / "corral.sqlite3", timeout=20)
        try:
            with connection:
                return connection.execute(query).fetchall()
        finally:
            connection.close()

    def process_ids(self) -> list[int]:
        """The portal's process and all its descendants."""
        assert self.process is not None
        found, todo = [], [self.process.pid]
        while todo:
            pid = todo.pop()
            found.append(pid)
            for task in Path(f"/proc/{pid}/task").glob("*/children"):
                todo += [int(child) for child in task.read_text().split()]
        return found

    def memory(self) -> int:
        """PSS of the portal and all its children, in bytes."""
        lines = [
            line for pid in self.process_ids() for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        ]
        return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
