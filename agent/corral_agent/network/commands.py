"""Runs the system's own network programs: by argument lists, with a time-out, never through a shell."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from typing import Any

_TIMEOUT = 15.0
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PACKAGES = {
    "ip": "iproute2",
    "bridge": "iproute2",
    "wg": "wireguard-tools",
    "wireguard-go": "wireguard-go",
    "nft": "nftables",
    "nsenter": "util-linux",
}


class CommandFailed(Exception):
    """A program that complained, is missing or did not end; `str()` says which and why."""


class ProgramMissing(CommandFailed):
    """A program that is not on this host; `str()` names the package to install."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the program {name} is missing: install the package {_PACKAGES.get(name, name)}")


def run(command: Sequence[str], stdin: str = "") -> str:
    """What the program printed. Raises `CommandFailed`."""
    program = shutil.which(command[0], path=_PATH)
    if program is None:
        raise ProgramMissing(command[0])
    try:
        done = subprocess.run(
            [program, *command[1:]],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT,
            check=False,
            env={"PATH": _PATH, "LC_ALL": "C", **_kept_environment()},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CommandFailed(f"{_shown(command)}: {error}") from None
    if done.returncode != 0:
        raise CommandFailed(f"{_shown(command)}: {_complaint(done.stderr) or f'exit code {done.returncode}'}")
    return done.stdout


def read_rows(command: Sequence[str]) -> list[dict[str, Any]]:
    """The objects of the list that the program printed as JSON. Raises `CommandFailed`."""
    found = _read_json(command)
    return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []


def read_object(command: Sequence[str]) -> dict[str, Any]:
    """The object that the program printed as JSON. Raises `CommandFailed`."""
    found = _read_json(command)
    return found if isinstance(found, dict) else {}


def _read_json(command: Sequence[str]) -> object:
    try:
        return json.loads(run(command) or "null")
    except ValueError:
        raise CommandFailed(f"{_shown(command)}: its output is not JSON") from None


def _kept_environment() -> dict[str, str]:
    """The image carries libraries of its own, which the programs in it need too."""
    return {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}


def _shown(command: Sequence[str]) -> str:
    return " ".join(command)[:200]


def _complaint(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[0][:200] if lines else ""
