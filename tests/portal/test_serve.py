"""The whole portal as a process: readiness first, refusals in one line, clean ends, and a start after a kill."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import pytest

from portal.boot.data_dir import lock_data_dir

pytestmark = pytest.mark.servers

ROOT = Path(__file__).resolve().parents[2]
START_LIMIT = 30.0


class Run:
    """One `python -m portal serve` on a port of its own."""

    def __init__(self, data_dir: Path, **extra: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        ours = {"DATA_DIR": str(data_dir), "PORT": str(self.port), "BIND": "127.0.0.1", "INSTALL_DOCKER": "0"}
        inherited = {k: v for k, v in os.environ.items() if k not in {"DJANGO_SETTINGS_MODULE", "RUN_DIR", "REDIS_URL"}}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "portal", "serve"],
            cwd=ROOT,
            env={**inherited, "DOCKER_HOST": "unix:///nowhere/docker.sock", **ours, **extra},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def status(self, path: str = "/login") -> int | None:
        """The status of a page now; None when nobody listens."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        except (OSError, HTTPException):
            return None
        finally:
            connection.close()

    def wait_until(self, *, ready: bool) -> list[int]:
        """Ask until the readiness page (or, if `ready`, the portal itself) answers; every status seen on the way."""
        deadline, seen = time.monotonic() + START_LIMIT, []
        while time.monotonic() < deadline and self.process.poll() is None:
            status = self.status()
            if status is not None:
                seen.append(status)
                if (status != 503) is ready:
                    return seen
            time.sleep(0.01)
        raise AssertionError(f"not {ready=}: {seen[-1:]}, {self.end(signal.SIGKILL)}")

    def end(self, number: int) -> tuple[int, str]:
        """Send a signal; the exit code and everything that was printed."""
        self.process.send_signal(number)
        printed, _ = self.process.communicate(timeout=60)
        return self.process.returncode, printed

    def children(self) -> list[int]:
        tasks = Path(f"/proc/{self.process.pid}/task").glob("*/children")
        return [int(pid) for task in tasks for pid in task.read_text().split()]


@pytest.fixture
def data_dir() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="corral-") as folder:
        yield Path(folder)


@pytest.fixture
def runs(data_dir: Path) -> Iterator[list[Run]]:
    started: list[Run] = []
    yield started
    for run in started:
        if run.process.poll() is None:
            run.end(signal.SIGKILL)
        run.process.communicate()


def test_the_readiness_page_comes_first_and_sigterm_ends_everything_cleanly(data_dir: Path, runs: list[Run]):
    run = Run(data_dir)
    runs.append(run)
    assert run.wait_until(ready=True)[0] == 503
    children = run.children()
    assert children
    began = time.monotonic()
    code, printed = run.end(signal.SIGTERM)
    assert code == 0, printed
    assert time.monotonic() - began < 10
    assert "Traceback" not in printed
    assert not any(Path(f"/proc/{pid}").exists() for pid in children)


def test_after_a_kill_the_child_is_gone_and_the_next_start_works(data_dir: Path, runs: list[Run]):
    for last_signal in (signal.SIGKILL, signal.SIGINT):
        run = Run(data_dir)
        runs.append(run)
        run.wait_until(ready=True)
        (child,) = run.children()
        code, printed = run.end(last_signal)
    assert code == 0, printed
    assert not Path(f"/proc/{child}").exists()


def test_a_stop_during_the_start_is_clean_too(data_dir: Path, runs: list[Run]):
    run = Run(data_dir)
    runs.append(run)
    run.wait_until(ready=False)
    assert run.end(signal.SIGTERM) == (0, "")


def test_a_second_portal_on_the_same_data_is_refused_in_one_line(data_dir: Path, runs: list[Run]):
    with lock_data_dir(data_dir):
        run = Run(data_dir)
        runs.append(run)
        printed, _ = run.process.communicate(timeout=60)
    assert run.process.returncode == 1
    assert printed.startswith("Corral cannot start: Another portal")
    assert printed.count("\n") == 1


@pytest.mark.parametrize(
    ("port", "reason"),
    [("http", "PORT=http is not a port number"), ("70000", "PORT=70000 is not"), (None, "cannot be used")],
)
def test_a_port_that_cannot_be_had_is_named_in_one_line(data_dir: Path, runs: list[Run], port: str | None, reason: str):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        run = Run(data_dir, PORT=port or str(taken.getsockname()[1]))
        runs.append(run)
        printed, _ = run.process.communicate(timeout=60)
    assert run.process.returncode == 1
    assert reason in printed
    assert printed.count("\n") == 1
