"""Counters are read from the kernel's files, for both versions of control groups."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from corral_agent import counters, machine
from corral_agent.cgroups import ContainerCgroups

TICK = 10**9 // os.sysconf("SC_CLK_TCK")
ONE, TWO = "1" * 64, "2" * 64
NET = "Inter-|\n face |\n    lo: 9 0 0 0 0 0 0 0 9 0\n  eth0: 100 0 0 0 0 0 0 0 200 0\nveth12: 7 0 0 0 0 0 0 0 7 0\n"


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    write(
        tmp_path / "proc",
        {
            "stat": "cpu  100 5 50 1000 7 3 2 1 40 0\ncpu0 1 1 1 1\n",
            "meminfo": "MemTotal: 1000000 kB\nMemFree: 100000 kB\nMemAvailable: 600000 kB\nHugePages: 0\n",
            "net/dev": NET,
            "diskstats": "8 0 sda 1 0 10 0 1 0 20 0\n8 1 sda1 1 0 10 0 1 0 20 0\n7 0 loop0 1 0 99 0 1 0 99 0\n",
            "cpuinfo": "processor : 0\nmodel name : Fast One\ncpu MHz : 2400.5\n",
            "loadavg": "0.10 0.20 0.30 1/2 3\n",
            "77/net/dev": NET,
        },
    )
    (tmp_path / "block" / "sda").mkdir(parents=True)
    return tmp_path / "proc"


def test_the_machines_counters_leave_out_what_would_count_twice(proc: Path, tmp_path: Path):
    found = counters.read_machine(proc, tmp_path / "block")
    assert found.cpu_ns == (100 + 5 + 50 + 3 + 2 + 1) * TICK
    assert (found.memory, found.memory_limit) == (400_000 * 1024, 1_000_000 * 1024)
    assert (found.net_rx, found.net_tx) == (100, 200)
    assert (found.disk_read, found.disk_write) == (10 * 512, 20 * 512)


def test_this_machine_can_be_read():
    found = counters.read_machine()
    assert 0 < found.memory < found.memory_limit
    assert found.cpu_ns > 0


def test_a_machine_says_what_it_is(proc: Path):
    found = machine.read_host_facts({"OperatingSystem": "Debian", "ServerVersion": "20.10", "Name": "h1"}, proc)
    assert found["osInfo"]["operatingSystem"] == "Debian"
    assert found["osInfo"]["hostname"] == "h1"
    assert found["cpuInfo"]["modelName"] == "Fast One"
    assert found["cpuInfo"]["loadAvg"] == [0.1, 0.2, 0.3]
    assert found["memoryInfo"]["memTotal"] == 976
    assert found["memoryInfo"]["swapTotal"] == 0
    root = found["diskInfo"]["mountPoints"]["/"]
    assert 0 < root["used"] < root["total"]
    assert 0 < root["percentUsed"] < 100


def test_a_machine_without_its_engine_speaks_for_itself(tmp_path: Path):
    release = tmp_path / "os-release"
    release.write_text('NAME="X"\nPRETTY_NAME="My Linux 1"\nODD=it\'s\n')
    assert machine.read_os_info({}, release)["operatingSystem"]
    release.write_text('PRETTY_NAME="My Linux 1"\n')
    assert machine.read_os_info({}, release)["operatingSystem"] == "My Linux 1"
    assert machine.read_os_info({}, tmp_path / "none")["kernelVersion"] == os.uname().release


def test_a_file_system_is_shown_once():
    assert list(machine.read_disk_info(("/", "/", "/nowhere"))) == ["/"]


def first(key: str) -> dict[str, str]:
    place = f"docker/{key}"
    return {
        f"memory/{place}/memory.usage_in_bytes": "5000\n",
        f"memory/{place}/memory.limit_in_bytes": "9223372036854771712\n",
        f"memory/{place}/memory.stat": "cache 1\ntotal_inactive_file 1000\n",
        f"memory/{place}/cgroup.procs": "77\n78\n",
        f"cpuacct/{place}/cpuacct.usage": "123456\n",
        f"pids/{place}/pids.current": "4\n",
        f"blkio/{place}/blkio.throttle.io_service_bytes": "8:0 Read 11\n8:0 Write 22\n8:16 Read 1\nTotal 34\n",
    }


def second(key: str) -> dict[str, str]:
    place = f"system.slice/docker-{key}.scope"
    return {
        "cgroup.controllers": "cpu memory\n",
        f"{place}/memory.current": "7000\n",
        f"{place}/memory.max": "max\n",
        f"{place}/memory.stat": "inactive_file 2000\n",
        f"{place}/cpu.stat": "usage_usec 50\nuser_usec 1\n",
        f"{place}/pids.current": "6\n",
        f"{place}/io.stat": "8:0 rbytes=1 wbytes=2 rios=1\n8:16 rbytes=10 wbytes=20\n",
        f"{place}/cgroup.procs": "77\n",
    }


def test_the_first_generation_is_read(tmp_path: Path, proc: Path):
    write(tmp_path / "cg", first(ONE) | first(TWO))
    found = ContainerCgroups(tmp_path / "cg", proc).samples()
    assert set(found) == {ONE, TWO}
    one = found[ONE]
    assert (one.cpu_ns, one.memory, one.memory_limit, one.pids) == (123456, 4000, 1_000_000 * 1024, 4)
    assert (one.net_rx, one.net_tx, one.disk_read, one.disk_write) == (107, 207, 12, 22)


def test_the_second_generation_is_read(tmp_path: Path, proc: Path):
    write(tmp_path / "cg", second(ONE))
    one = ContainerCgroups(tmp_path / "cg", proc).samples()[ONE]
    assert (one.cpu_ns, one.memory, one.memory_limit, one.pids) == (50_000, 5000, 1_000_000 * 1024, 6)
    assert (one.disk_read, one.disk_write) == (11, 22)


@pytest.mark.parametrize("missing", ["memory.current", "cpu.stat", "memory.stat"])
def test_a_container_that_ends_while_it_is_read_is_left_out(tmp_path: Path, proc: Path, missing: str):
    write(tmp_path / "cg", second(ONE) | second(TWO))
    (tmp_path / "cg" / f"system.slice/docker-{ONE}.scope" / missing).unlink()
    assert set(ContainerCgroups(tmp_path / "cg", proc).samples()) == {TWO}


def test_a_network_that_cannot_be_seen_counts_nothing(tmp_path: Path, proc: Path):
    write(tmp_path / "cg", second(ONE))
    (tmp_path / "proc/77/net/dev").unlink()
    one = ContainerCgroups(tmp_path / "cg", proc).samples()[ONE]
    assert (one.net_rx, one.net_tx) == (0, 0)


def test_without_control_groups_there_are_no_containers(tmp_path: Path, proc: Path):
    assert ContainerCgroups(tmp_path / "nothing", proc).samples() == {}
    assert ContainerCgroups(tmp_path / "nothing", tmp_path / "no-proc").samples() == {}
