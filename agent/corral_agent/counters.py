"""The machine's counters, read from the kernel's files, in the form that the portal charts."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

_SECTOR = 512
_INTERNAL_INTERFACES = ("lo", "veth", "docker", "br-", "virbr", "cni", "flannel", "vxlan", "rnet", "vx")
_VIRTUAL_DISKS = ("loop", "ram", "dm-", "md", "zram", "sr", "nbd")


@dataclass(frozen=True, slots=True)
class Sample:
    """Cumulative counters at unix time `at` (seconds): CPU in nanoseconds over all `cpus`, the rest in bytes."""

    at: float
    cpu_ns: int
    cpus: int
    memory: int
    memory_limit: int
    net_rx: int
    net_tx: int
    disk_read: int
    disk_write: int
    pids: int = 0


def read_machine(proc: Path = Path("/proc"), blocks: Path = Path("/sys/block")) -> Sample:
    """One sample of the whole machine. Raises `OSError`."""
    read, written = _disks((proc / "diskstats").read_text(), blocks)
    received, sent = sum_interfaces((proc / "net/dev").read_text(), _INTERNAL_INTERFACES)
    used, size = _memory(read_meminfo(proc))
    cpu = _cpu((proc / "stat").read_text())
    return Sample(time.time(), cpu, os.cpu_count() or 1, used, size, received, sent, read, written)


def _cpu(text: str) -> int:
    """Busy time of all processors; the kernel counts guest time as user time already."""
    user, nice, system, _idle, _wait, irq, softirq, steal = map(int, text.split("\n", 1)[0].split()[1:9])
    return (user + nice + system + irq + softirq + steal) * 10**9 // os.sysconf("SC_CLK_TCK")


def read_meminfo(proc: Path) -> dict[str, int]:
    """/proc/meminfo by the kernel's names, in bytes."""
    rows = (row.partition(":") for row in (proc / "meminfo").read_text().splitlines())
    return {name: int(rest.split()[0]) * 1024 for name, _, rest in rows if rest}


def _memory(found: dict[str, int]) -> tuple[int, int]:
    size = found.get("MemTotal", 0)
    return size - found.get("MemAvailable", found.get("MemFree", 0)), size


def sum_interfaces(text: str, inner: tuple[str, ...]) -> tuple[int, int]:
    """Bytes received and sent by all interfaces of a /proc/net/dev but those whose names begin with one of `inner`."""
    received = sent = 0
    for row in text.splitlines()[2:]:
        name, _, rest = row.partition(":")
        if not name.strip().startswith(inner):
            numbers = rest.split()
            received, sent = received + int(numbers[0]), sent + int(numbers[8])
    return received, sent


def _disks(text: str, blocks: Path) -> tuple[int, int]:
    """Bytes read and written by whole disks: partitions and stacked devices would count twice."""
    whole = {path.name for path in blocks.iterdir()} if blocks.is_dir() else None
    read = written = 0
    for words in map(str.split, text.splitlines()):
        name = words[2]
        if not name.startswith(_VIRTUAL_DISKS) and (whole is None or name in whole):
            read, written = read + int(words[5]) * _SECTOR, written + int(words[9]) * _SECTOR
    return read, written
