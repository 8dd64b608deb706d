"""Debian's packages: installed or only fetched, with fresh lists where the machine's own do not do."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

_TIMEOUT = 900.0
_ENVIRONMENT = {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}


class PackageUnavailable(Exception):
    """The package cannot be had here; `str()` is the reason that apt gave."""


def install_package(name: str) -> None:
    """Install the package with what it depends on. Raises `PackageUnavailable`."""
    _with_fresh_lists(["install", "-y", "--no-install-recommends", name], Path.cwd())


def download_package(name: str, folder: Path) -> Path:
    """The package's file, fetched into `folder`; nothing is installed. Raises `PackageUnavailable`."""
    _with_fresh_lists(["download", name], folder)
    found = next(folder.glob(f"{name}_*.deb"), None)
    if found is None:
        raise PackageUnavailable(f"apt-get download {name} left no file")
    return found


def _with_fresh_lists(arguments: list[str], folder: Path) -> None:
    """A new machine has no lists at all, and old lists name files that the mirror no longer has."""
    if _apt(arguments, folder) is not None:
        _apt(["update"], folder)
        reason = _apt(arguments, folder)
        if reason is not None:
            raise PackageUnavailable(reason)


def _apt(arguments: list[str], folder: Path) -> str | None:
    """Run apt-get; None when it succeeded, else why not."""
    done = subprocess.run(
        ["apt-get", "-qq", *arguments],
        cwd=folder,
        env={**os.environ, **_ENVIRONMENT},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT,
        check=False,
        start_new_session=True,  # Ctrl-C must not leave a half-configured package behind
    )
    return None if done.returncode == 0 else (done.stderr.strip().splitlines() or ["no reason given"])[-1]
