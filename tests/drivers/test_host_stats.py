"""A machine's counters leave out what would count twice."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from apps.drivers import host_stats
from apps.drivers.base import CreateRequest, StatsSample
from apps.drivers.host_stats import ContainerSumStats, MachineStats, read_machine
from apps.drivers.simulated.engine import SimulatedDriver


@pytest.fixture
def machine(tmp_path: Path) -> tuple[Path, Path]:
    proc, blocks = tmp_path / "proc", tmp_path / "block"
    (proc / "net").mkdir(parents=True)
    for disk in ("vda", "dm-0", "loop0"):
        (blocks / disk).mkdir(parents=True)
    (proc / "stat").write_text("cpu  100 0 50 1000 10 5 5 0 0 0\ncpu0 1 1 1\n")
    (proc / "meminfo").write_text("MemTotal:  1000 kB\nMemFree: 100 kB\nMemAvailable:  600 kB\n")
    rows = [
        "Inter-|",
        " face |",
        "  eth0: 10 0 0 0 0 0 0 0 20 0",
        "    lo: 7 0 0 0 0 0 0 0 7 0",
        "veth1: 9 0 0 0 0 0 0 0 9 0",
    ]
    (proc / "net/dev").write_text("\n".join(rows) + "\n")
    disks = [f"253 0 {name} 1 0 4 0 1 0 6 0 0 0 0" for name in ("vda", "vda1", "dm-0", "loop0")]
    (proc / "diskstats").write_text("\n".join(disks) + "\n")
    return proc, blocks


def test_a_machine_is_read(machine: tuple[Path, Path]) -> None:
    sample = read_machine(*machine)
    assert (sample.memory, sample.memory_limit) == (400 * 1024, 1000 * 1024)
    assert (sample.net_rx, sample.net_tx) == (10, 20)
    assert (sample.disk_read, sample.disk_write) == (4 * 512, 6 * 512)
    assert sample.cpu_ns == 160 * 10**7


def test_this_machine_has_counters() -> None:
    stream = MachineStats()
    sample = next(iter(stream))
    assert 0 < sample.memory < sample.memory_limit
    assert sample.cpu_ns > 0
    stream.close()
    assert list(stream) == []


def test_a_fleet_is_the_sum_of_its_containers_and_never_falls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_stats, "SAMPLE_INTERVAL", 0.05)
    monkeypatch.setattr(host_stats, "LIST_INTERVAL", 0.05)
    engine = SimulatedDriver("fleet")
    engine.tick = 0.01
    for name in ("one", "two"):
        engine.start(engine.create(CreateRequest(name, {"Image": "sim/app"})))
    stream = ContainerSumStats(engine)
    samples = iter(stream)
    both = _until_memory(samples, sum(next(iter(engine.stats(n))).memory for n in ("one", "two")))
    assert (both.cpus, both.memory_limit) == (4, engine.info().memory)
    engine.kill("one")
    left = _until_memory(samples, next(iter(engine.stats("two"))).memory)
    assert left.net_rx >= both.net_rx
    engine.down = True
    assert len(list(samples)) <= 2


def _until_memory(samples: Iterator[StatsSample], wanted: int) -> StatsSample:
    until = time.monotonic() + 5
    for sample in samples:
        if sample.memory == wanted:
            return sample
        assert time.monotonic() < until
    raise AssertionError("the statistics ended")
