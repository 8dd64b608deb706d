"""The counters of a whole machine: its own /proc where the engine is local, else its containers' sum."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from apps.drivers.base import (
    Driver,
    EngineError,
    StatsSample,
    Stream,
)
from apps.drivers.docker.container_stats import sum_samples

SAMPLE_INTERVAL = 1.0
LIST_INTERVAL = 10.0
MAX_FOLLOWED = 200
_SECTOR = 512
_INTERNAL_INTERFACES = ("lo", "veth", "docker", "br-", "virbr", "cni", "flannel", "vxlan")
_VIRTUAL_DISKS = ("loop", "ram", "dm-", "md", "zram", "sr", "nbd")


def read_machine(proc: Path = Path("/proc"), blocks: Path = Path("/sys/block")) -> StatsSample:
    """One sample out of the kernel's files."""
    read, written = _disks((proc / "diskstats").read_text(), blocks)
    received, sent = _networks((proc / "net/dev").read_text())
    used, size = _memory((proc / "meminfo").read_text())
    return StatsSample(
        at=time.time(),
        cpu_ns=_cpu((proc / "stat").read_text()),
        cpus=os.cpu_count() or 1,
        memory=used,
        memory_limit=size,
        net_rx=received,
        net_tx=sent,
        disk_read=read,
        disk_write=written,
    )


def _cpu(text: str) -> int:
    """Busy time of all processors; the guests' time is part of the users' already."""
    user, nice, system, _idle, _wait, irq, softirq, steal = map(int, text.split("\n", 1)[0].split()[1:9])
    return (user + nice + system + irq + softirq + steal) * 10**9 // os.sysconf("SC_CLK_TCK")


def _memory(text: str) -> tuple[int, int]:
    values = {name: int(rest.split()[0]) * 1024 for name, _, rest in (row.partition(":") for row in text.splitlines())}
    size = values.get("MemTotal", 0)
    return size - values.get("MemAvailable", values.get("MemFree", 0)), size


def _networks(text: str) -> tuple[int, int]:
    """Bytes through the machine's own interfaces, not through the containers' bridges as well."""
    received = sent = 0
    for row in text.splitlines()[2:]:
        name, _, rest = row.partition(":")
        if not name.strip().startswith(_INTERNAL_INTERFACES):
            numbers = rest.split()
            received, sent = received + int(numbers[0]), sent + int(numbers[8])
    return received, sent


def _disks(text: str, blocks: Path) -> tuple[int, int]:
    """Bytes of whole disks: their partitions and what is stacked upon them would count twice."""
    whole = {path.name for path in blocks.iterdir()} if blocks.is_dir() else None
    read = written = 0
    for row in text.splitlines():
        words = row.split()
        name = words[2]
        if not name.startswith(_VIRTUAL_DISKS) and (whole is None or name in whole):
            read, written = read + int(words[5]) * _SECTOR, written + int(words[9]) * _SECTOR
    return read, written


class MachineStats:
    """The machine that Corral runs on, once a second."""

    def __init__(self) -> None:
        self._closed = threading.Event()

    def __iter__(self) -> Iterator[StatsSample]:
        while not self._closed.is_set():
            yield read_machine()
            self._closed.wait(SAMPLE_INTERVAL)

    def close(self) -> None:
        """End the iteration, whichever thread it is in."""
        self._closed.set()


class ContainerSumStats:
    """The running containers of an engine elsewhere, added up once a second.

    Counters of containers that have gone stay in the sum, so that it never falls.
    """

    def __init__(self, engine: Driver) -> None:
        self._engine = engine
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._latest: dict[str, StatsSample] = {}
        self._streams: dict[str, Stream[StatsSample]] = {}
        self._info = engine.info()

    def __iter__(self) -> Iterator[StatsSample]:
        next_listing = 0.0
        try:
            while not self._closed.is_set():
                if time.monotonic() >= next_listing:
                    self._follow_new_containers()
                    next_listing = time.monotonic() + LIST_INTERVAL
                self._closed.wait(SAMPLE_INTERVAL)
                yield self._sum()
        except EngineError:
            return
        finally:
            self.close()

    def close(self) -> None:
        """End the iteration, whichever thread it is in."""
        self._closed.set()
        with self._lock:
            streams = list(self._streams.values())
        for stream in streams:
            stream.close()

    def _follow_new_containers(self) -> None:
        running = {seen.id for seen in self._engine.containers() if seen.state == "running"}
        # Each is a thread and a connection; of an engine with more containers the sum is a part.
        free = MAX_FOLLOWED - len(self._streams)
        for key in sorted(running - self._streams.keys())[: max(0, free)]:
            threading.Thread(target=self._follow, args=(key,), name=f"stats-{key[:12]}", daemon=True).start()

    def _follow(self, key: str) -> None:
        try:
            stream = self._engine.stats(key)
        except EngineError:
            return
        with self._lock:
            self._streams[key] = stream
        if self._closed.is_set():
            stream.close()
        try:
            for sample in stream:
                self._latest[key] = sample
        except EngineError:
            pass  # the others still count
        finally:
            with self._lock:
                self._streams.pop(key, None)

    def _sum(self) -> StatsSample:
        with self._lock:
            live = set(self._streams)
        # A container that ended holds no memory any more; what it had counted stays counted.
        samples = [s if key in live else _without_memory(s) for key, s in list(self._latest.items())]
        return sum_samples(samples, at=time.time(), cpus=self._info.cpus, memory_limit=self._info.memory)


def _without_memory(sample: StatsSample) -> StatsSample:
    return StatsSample(
        sample.at,
        sample.cpu_ns,
        sample.cpus,
        0,
        0,
        sample.net_rx,
        sample.net_tx,
        sample.disk_read,
        sample.disk_write,
    )
