"""The counters of all containers, read from their control groups of either version."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

from corral_agent.counters import Sample, read_meminfo, sum_interfaces

_CONTAINER = re.compile(r"(?:docker-)?([0-9a-f]{64})(?:\.scope)?")
_MAX_DEPTH = 5
_NO_LIMIT = 1 << 60


class ContainerCgroups:
    """Finds containers' control groups and reads them; tests pass folders of their own in the kernel's place."""

    def __init__(self, root: Path = Path("/sys/fs/cgroup"), proc: Path = Path("/proc")) -> None:
        self._root, self._proc = root, proc
        self._is_v2 = (root / "cgroup.controllers").is_file()

    def samples(self) -> dict[str, Sample]:
        """Every container whose group is visible from here, by its id."""
        try:
            memory, cpus = read_meminfo(self._proc).get("MemTotal", 0), os.cpu_count() or 1
        except OSError:
            return {}
        found = {}
        for key, group_path in self._container_groups():
            with contextlib.suppress(OSError, ValueError, IndexError):
                found[key] = self._sample(group_path, memory, cpus)
        return found

    def _container_groups(self) -> Iterator[tuple[str, str]]:
        """Container ids and their groups' paths below the hierarchy's root."""
        base = self._root if self._is_v2 else self._root / "memory"
        pending = [(base, 0)]
        while pending:
            folder, depth = pending.pop()
            for path in _subfolders(folder):
                if found := _CONTAINER.fullmatch(path.name):
                    yield found[1], str(path.relative_to(base))
                elif depth < _MAX_DEPTH:
                    pending.append((path, depth + 1))

    def _sample(self, group_path: str, machine_memory: int, cpus: int) -> Sample:
        cpu, used, limit, pids = self._sample_v2(group_path) if self._is_v2 else self._sample_v1(group_path)
        read, written = self._disks(group_path)
        received, sent = self._network(group_path)
        limit = min(limit, machine_memory)
        return Sample(time.time(), cpu, cpus, used, limit, received, sent, read, written, pids)

    def _sample_v2(self, group_path: str) -> tuple[int, int, int, int]:
        group = self._root / group_path
        cpu = _read_pairs(group / "cpu.stat").get("usage_usec", 0) * 1000
        used = _without_cache(
            _read_number(group / "memory.current"), _read_pairs(group / "memory.stat").get("inactive_file", 0)
        )
        return cpu, used, _read_number(group / "memory.max"), _read_number(group / "pids.current")

    def _sample_v1(self, group_path: str) -> tuple[int, int, int, int]:
        memory = self._root / "memory" / group_path
        cpu = _read_number(self._controller("cpuacct", "cpu,cpuacct") / group_path / "cpuacct.usage")
        cache = _read_pairs(memory / "memory.stat").get("total_inactive_file", 0)
        used = _without_cache(_read_number(memory / "memory.usage_in_bytes"), cache)
        pids = self._root / "pids" / group_path / "pids.current"
        return cpu, used, _read_number(memory / "memory.limit_in_bytes"), _read_number(pids) if pids.is_file() else 0

    def _controller(self, *names: str) -> Path:
        return next((self._root / name for name in names if (self._root / name).is_dir()), self._root / names[0])

    def _disks(self, group_path: str) -> tuple[int, int]:
        if self._is_v2:
            words = _read_words(self._root / group_path / "io.stat")
            return _sum_prefixed(words, "rbytes="), _sum_prefixed(words, "wbytes=")
        words = _read_words(self._root / "blkio" / group_path / "blkio.throttle.io_service_bytes")
        return _sum_after(words, "Read"), _sum_after(words, "Write")

    def _network(self, group_path: str) -> tuple[int, int]:
        """The interfaces of the container's first process; zeros where its namespace is not visible from here."""
        group = (self._root if self._is_v2 else self._root / "memory") / group_path
        try:
            pid = (group / "cgroup.procs").read_text().split()[0]
            return sum_interfaces((self._proc / pid / "net/dev").read_text(), ("lo",))
        except (OSError, IndexError):
            return 0, 0


def _subfolders(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            return [Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return []


def _read_number(path: Path) -> int:
    text = path.read_text().strip()
    return _NO_LIMIT if text == "max" else int(text)


def _read_pairs(path: Path) -> dict[str, int]:
    return {key: int(value) for key, _, value in (row.partition(" ") for row in path.read_text().splitlines())}


def _read_words(path: Path) -> list[str]:
    return path.read_text().split() if path.is_file() else []


def _sum_prefixed(words: list[str], prefix: str) -> int:
    return sum(int(word.removeprefix(prefix)) for word in words if word.startswith(prefix))


def _sum_after(words: list[str], name: str) -> int:
    return sum(int(value) for word, value in itertools.pairwise(words) if word == name)


def _without_cache(used: int, cache: int) -> int:
    """Without the page cache that the kernel could reclaim, as `docker stats` counts it."""
    return used - cache if cache < used else used
