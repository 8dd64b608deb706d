"""Everything that a fleet leaves on the machine, found by its name and taken away."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
from pathlib import Path

from tests.fleet.commands import run

PREFIX = "crf"
FOLDER = Path("/tmp")
_NAME = re.compile(rf"{PREFIX}(\d+)")


def folder_of(prefix: str) -> Path:
    """Where the fleet of this name keeps its hosts' disks."""
    return FOLDER / prefix


def clear_dead() -> None:
    """Take away what is left of fleets whose process is gone."""
    spaces = [path.name for path in Path("/run/netns").glob(f"{PREFIX}*")] if Path("/run/netns").exists() else []
    folders = [path.name for path in FOLDER.glob(f"{PREFIX}*")]
    groups = [path.name for path in Path("/sys/fs/cgroup").glob(f"*/{PREFIX}*")]
    for found in {match[0] for name in (*spaces, *folders, *groups) if (match := _NAME.match(name))}:
        if not Path(f"/proc/{found.removeprefix(PREFIX)}").exists():
            clear(found)


def clear(prefix: str) -> None:
    """Take away a fleet's processes, mounts, networks, control groups and folder."""
    for pid in _processes(prefix):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    folder = folder_of(prefix)
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for mount in sorted((m for m in mounts if m.startswith(f"{folder}/")), reverse=True):
        run("umount", "-l", mount, check=False)
    for netns in Path("/run/netns").glob(f"{prefix}-*"):
        run("ip", "netns", "del", netns.name, check=False)
    run("ip", "link", "del", prefix, check=False)
    for group in Path("/sys/fs/cgroup").glob(f"*/{prefix}"):
        _remove_cgroup(group)
    shutil.rmtree(folder, ignore_errors=True)


def _processes(prefix: str) -> list[int]:
    """Those that live in one of the fleet's network namespaces."""
    spaces = {path.stat().st_ino for path in Path("/run/netns").glob(f"{prefix}-*")}
    found = []
    for link in Path("/proc").glob("[0-9]*/ns/net"):
        with contextlib.suppress(OSError):
            if link.stat().st_ino in spaces:
                found.append(int(link.parts[2]))
    return found


def _remove_cgroup(group: Path) -> None:
    inner = sorted((path for path in group.rglob("*") if path.is_dir()), key=lambda path: -len(path.parts))
    for path in (*inner, group):
        with contextlib.suppress(OSError):
            path.rmdir()
