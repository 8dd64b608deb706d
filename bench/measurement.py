"""What the benchmarks of hosts stand on: a portal that hosts reach, and how much work its processes do."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterable
from pathlib import Path

from tests.docker.portal_process import Api, PortalProcess, wait_until
from tests.fleet.commands import missing_programs

_TICK = os.sysconf("SC_CLK_TCK")
_IDLE = 0.1


def portal_at(folder: Path, address: str) -> PortalProcess:
    """A started portal without an engine of its own."""
    made = PortalProcess(folder, "unix:///nonexistent.sock", BIND=address)
    made.data_dir.mkdir()
    made.start()
    return made


def registration_url(api: Api) -> str:
    """The last word of the command that adds a host."""

    def find_url() -> str:
        rows = api.get("registrationtokens")["data"]
        return str(rows[0]["command"].split(" ")[-1]) if rows and rows[0]["command"] else ""

    return wait_until(find_url, seconds=10, what="a registration command")


def why_left_out(*programs: str) -> str:
    """Why nothing can be measured here with pretend hosts and these programs; empty if it can."""
    if os.geteuid() != 0:
        return "only root can make pretend hosts"
    lacking = [*missing_programs(), *(name for name in programs if shutil.which(name) is None)]
    return f"these programs are not installed (.ci/tools bench): {', '.join(lacking)}" if lacking else ""


def cpu_seconds(pids: Iterable[int]) -> float:
    """Seconds of processor time that the processes have used."""
    stats = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids]
    return sum(int(words[11]) + int(words[12]) for words in stats) / _TICK


def wait_until_idle(seconds: float = 20.0) -> None:
    """Wait until this machine has next to nothing to do: what one run leaves behind is not the next one's work."""
    deadline = time.monotonic() + seconds
    while _cpu_usage(0.5) > _IDLE and time.monotonic() < deadline:
        pass


def _cpu_usage(seconds: float) -> float:
    """The part of all processors that was used over so long, from 0 to 1."""
    before = _ticks()
    time.sleep(seconds)
    spent = [after - was for after, was in zip(_ticks(), before, strict=True)]
    return 1 - sum(spent[3:5]) / max(sum(spent), 1)


def _ticks() -> list[int]:
    """What /proc/stat counts since the start: user, nice, system, idle, waiting for disks, and so on."""
    return [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]


def memory_mb(pids: Iterable[int]) -> float:
    """Their memory in MB (PSS)."""
    lines = [line for pid in pids for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()]
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1000
