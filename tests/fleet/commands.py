"""Programs run for the fleet: their output, or their complaint."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

NEEDED = ("dockerd", "tini-static", "nsenter", "unshare", "ip", "sshd", "docker-registry", "htpasswd", "faketime")


class NoFleet(Exception):
    """The fleet cannot be had here; `str()` says why."""


def run(*command: str, check: bool = True, timeout: float = 60, stdin: str = "") -> str:
    """What the command printed. Raises `NoFleet` with its complaint when it fails."""
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=timeout, check=False)
    if check and done.returncode != 0:
        raise NoFleet(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def wait_for(ready: Callable[[], bool], what: str, *, seconds: float = 60, pause: float = 0.02) -> None:
    """Return once `ready` says so. Raises `NoFleet` after `seconds`."""
    until = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > until:
            raise NoFleet(f"not within {seconds:.0f} s: {what}")
        time.sleep(pause)


def missing_programs() -> list[str]:
    """Programs that the fleet needs and this machine lacks."""
    sbin = "/usr/sbin:/sbin:/usr/bin:/bin:/usr/local/bin"
    return [name for name in NEEDED if not (shutil.which(name) or shutil.which(name, path=sbin))]


def tail(path: Path, lines: int = 3) -> str:
    """The end of a log, in one line."""
    return " / ".join(path.read_text(errors="replace").splitlines()[-lines:]) if path.exists() else "(no log)"
