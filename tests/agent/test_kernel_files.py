"""The kernel's files as they are on many kinds of machines, and the counters that the agent reads from them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corral_agent import counters, machine
from corral_agent.cgroups import ContainerCgroups
from corral_agent.counters import Sample

TICK = 10**9 // os.sysconf("SC_CLK_TCK")
ID = "0123456789abcdef" * 4
OTHER = "f" * 64
HEADER = "Inter-|   Receive  |  Transmit\n face |bytes packets errs drop fifo frame compressed multicast|bytes ...\n"
KIB = 1024
GIB = 1024 * 1024  # in the kernel's kB


def interface(name: str, received: int, sent: int) -> str:
    return f"{name:>6}: {received} 1 0 0 0 0 0 0 {sent} 1 0 0 0 0 0 0\n"


def disk(name: str, read: int, written: int) -> str:
    return f"   8       0 {name} 5 0 {read} 1 5 0 {written} 1 0 1 1 0 0 0 0 0 0\n"


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def proc(root: Path, **changed: str) -> Path:
    files = {
        "stat": "cpu  1 2 3 4 5 6 7 8 9 10\n",
        "meminfo": f"MemTotal: {GIB} kB\nMemAvailable: {GIB // 2} kB\n",
        "net_dev": HEADER,
        "diskstats": "",
        "cpuinfo": "",
        "loadavg": "0.00 0.01 0.05 1/100 5\n",
    }
    return write(root / "proc", {name.replace("_", "/"): text for name, text in (files | changed).items()})


def read(root: Path, **changed: str) -> Sample:
    return counters.read_machine(proc(root, **changed), root / "block")


@pytest.mark.parametrize(
    ("line", "ticks"),
    [
        ("cpu  10 20 30 400 50 6 7 8 9 10", 10 + 20 + 30 + 6 + 7 + 8),
        ("cpu  0 0 0 0 0 0 0 0 0 0", 0),
        ("cpu  10 20 30 400 50 6 7 8", 81),
        ("cpu  18446744073709551615 0 0 0 0 0 0 0 0 0", 18446744073709551615),
    ],
    ids=["busy", "just started", "an old kernel without guests", "as high as it counts"],
)
def test_busy_time_leaves_out_waiting_and_guests(tmp_path: Path, line: str, ticks: int):
    found = read(tmp_path, stat=f"{line}\ncpu0 1 1 1 1 1 1 1 1 1 1\nintr 5\n")
    assert found.cpu_ns == ticks * TICK
    assert found.cpus == (os.cpu_count() or 1)


@pytest.mark.parametrize(
    ("text", "used", "size"),
    [
        ("MemTotal: 1000 kB\nMemFree: 100 kB\nMemAvailable: 400 kB\n", 600, 1000),
        ("MemTotal: 1000 kB\nMemFree: 100 kB\n", 900, 1000),
        ("MemTotal: 1000 kB\n", 1000, 1000),
        ("MemFree: 0 kB\n", 0, 0),
        ("MemTotal:       16303428 kB\nMemAvailable:   16303428 kB\nHugePages_Total:       0\n", 0, 16303428),
        ("no colon here\nMemTotal: 8 kB\nMemAvailable: 8 kB\n", 0, 8),
    ],
    ids=["today's", "before 3.14", "only its size", "nothing", "all free", "a stranger line"],
)
def test_memory_is_what_could_not_be_given(tmp_path: Path, text: str, used: int, size: int):
    found = read(tmp_path, meminfo=text)
    assert (found.memory, found.memory_limit) == (used * KIB, size * KIB)


@pytest.mark.parametrize("inner", ["lo", "docker0", "veth1a2b3c", "br-0123456789ab", "virbr0", "cni0", "flannel.1"])
def test_what_goes_through_the_machines_own_bridges_counts_once(tmp_path: Path, inner: str):
    rows = HEADER + interface(inner, 1000, 2000) + interface("eth0", 5, 7)
    found = read(tmp_path, net_dev=rows)
    assert (found.net_rx, found.net_tx) == (5, 7)


@pytest.mark.parametrize("outer", ["eth0", "ens3", "enp0s31f6", "wlan0", "bond0", "eth0.100", "wg0", "tun0", "br0"])
def test_what_leaves_the_machine_counts(tmp_path: Path, outer: str):
    found = read(tmp_path, net_dev=HEADER + interface("lo", 9, 9) + interface(outer, 3, 4))
    assert (found.net_rx, found.net_tx) == (3, 4)


@pytest.mark.parametrize(
    "row",
    [
        "  eth0:12 1 0 0 0 0 0 0 34 1 0 0 0 0 0 0\n",
        "eth0: 12 1 0 0 0 0 0 0 34 1 0 0 0 0 0 0",
        " eth0:\t12 1 0 0 0 0 0 0 34 1",
    ],
    ids=["a number against the colon", "no line end", "few columns"],
)
def test_columns_may_stand_close(tmp_path: Path, row: str):
    found = read(tmp_path, net_dev=HEADER + row)
    assert (found.net_rx, found.net_tx) == (12, 34)


@pytest.mark.parametrize(
    ("blocks", "rows", "read_", "written"),
    [
        (["sda"], [("sda", 10, 20), ("sda1", 10, 20)], 10, 20),
        (["nvme0n1"], [("nvme0n1", 1, 2), ("nvme0n1p1", 1, 2), ("nvme0n1p2", 1, 2)], 1, 2),
        (["vda", "vdb"], [("vda", 1, 2), ("vdb", 10, 20)], 11, 22),
        (["mmcblk0"], [("mmcblk0", 3, 4), ("mmcblk0p1", 3, 4)], 3, 4),
        (["sda", "dm-0", "md0"], [("sda", 5, 6), ("dm-0", 5, 6), ("md0", 5, 6)], 5, 6),
        (["loop0", "zram0", "sr0", "nbd0"], [("loop0", 9, 9), ("zram0", 9, 9), ("sr0", 9, 9), ("nbd0", 9, 9)], 0, 0),
        (["sda"], [], 0, 0),
        ([], [("sda", 5, 6)], 0, 0),
    ],
    ids=["SATA", "NVMe", "two of a cloud", "a card", "stacked", "no real ones", "none told", "none there"],
)  # fmt: skip
def test_disks_count_whole_and_once(
    tmp_path: Path, blocks: list[str], rows: list[tuple[str, int, int]], read_: int, written: int
):
    (tmp_path / "block").mkdir()
    for name in blocks:
        (tmp_path / "block" / name).mkdir()
    found = read(tmp_path, diskstats="".join(disk(*row) for row in rows))
    assert (found.disk_read, found.disk_write) == (read_ * 512, written * 512)


def test_where_the_kernel_lists_no_disks_partitions_are_not_distinguished(tmp_path: Path):
    found = read(tmp_path, diskstats=disk("sda", 1, 1) + disk("loop0", 9, 9))
    assert (found.disk_read, found.disk_write) == (512, 512)


@pytest.mark.parametrize("missing", ["stat", "meminfo", "net/dev", "diskstats"])
def test_a_file_that_is_not_there_is_an_error_of_the_system(tmp_path: Path, missing: str):
    (proc(tmp_path) / missing).unlink()
    with pytest.raises(OSError, match="No such file"):
        counters.read_machine(tmp_path / "proc", tmp_path / "block")


@pytest.mark.parametrize(
    ("text", "model", "mhz"),
    [
        ("processor\t: 0\nmodel name\t: Xeon: the best\ncpu MHz\t\t: 2095.078\n", "Xeon: the best", 2095.078),
        ("processor : 0\nBogoMIPS : 48.00\nCPU part : 0xd0c\n", "", 0.0),
        ("", "", 0.0),
        ("model name : A\ncpu MHz : 1\n\nmodel name : B\ncpu MHz : 2\n", "B", 2.0),
        ("model name :\ncpu MHz :\n", "", 0.0),
    ],
    ids=["Intel", "ARM", "nothing", "two", "empty"],
)
def test_processors_say_what_they_are_as_far_as_they_know(tmp_path: Path, text: str, model: str, mhz: float):
    found = machine.read_cpu_info(proc(tmp_path, cpuinfo=text, loadavg="1.50 2.00 12.34 3/999 4\n"))
    assert (found["modelName"], found["mhz"]) == (model, mhz)
    assert found["loadAvg"] == [1.5, 2.0, 12.34]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('NAME="Debian"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n', "Debian GNU/Linux 12 (bookworm)"),
        ("PRETTY_NAME=Alpine\n", "Alpine"),
        ("PRETTY_NAME='Void Linux'\n# a comment\n\nID=void\n", "Void Linux"),
        ("NAME=x\n", os.uname().sysname),
        ("PRETTY_NAME=\"never closed\n", os.uname().sysname),
        ("", os.uname().sysname),
    ],
    ids=["quoted", "bare", "single quotes", "no name", "broken", "empty"],
)  # fmt: skip
def test_a_system_has_a_name(tmp_path: Path, text: str, name: str):
    (tmp_path / "os-release").write_text(text)
    assert machine.read_os_info({}, tmp_path / "os-release")["operatingSystem"] == name


@pytest.mark.parametrize(
    ("engine_info", "key", "value"),
    [
        ({"OperatingSystem": "Flatcar"}, "operatingSystem", "Flatcar"),
        ({"OperatingSystem": ""}, "operatingSystem", os.uname().sysname),
        ({"OperatingSystem": None}, "operatingSystem", os.uname().sysname),
        ({"ServerVersion": "28.0.1"}, "dockerVersion", "28.0.1"),
        ({}, "dockerVersion", ""),
        ({"Architecture": "aarch64"}, "architecture", "aarch64"),
        ({"Name": "box"}, "hostname", "box"),
        ({"KernelVersion": 6}, "kernelVersion", "6"),
    ],
)
def test_the_engine_knows_the_host_better_than_a_container_does(
    tmp_path: Path, engine_info: dict[str, Any], key: str, value: str
):
    assert machine.read_os_info(engine_info, tmp_path / "none")[key] == value


def test_memory_is_reported_in_mebibytes_and_what_is_unknown_is_omitted(tmp_path: Path):
    found = machine.read_host_facts(
        {}, proc(tmp_path, meminfo="MemTotal: 2097152 kB\nSwapTotal: 1023 kB\nCached: 1024 kB\n")
    )
    assert found["memoryInfo"] == {
        **dict.fromkeys(("memFree", "memAvailable", "buffers", "swapFree", "swapTotal"), 0),
        "memTotal": 2048,
        "cached": 1,
    }
    assert all(one["percentUsed"] <= 100 for one in found["diskInfo"]["mountPoints"].values())


def group(root: Path, place: str, **files: str) -> None:
    known = {"cpu.stat": "usage_usec 7\n", "memory.current": "100\n", "memory.max": "max\n", "memory.stat": ""}
    known |= {"pids.current": "1\n", "cgroup.procs": ""}
    write(root / "cg" / place, known | {name.replace("_", "."): text for name, text in files.items()})
    (root / "cg" / "cgroup.controllers").write_text("cpu\n")


def samples(root: Path) -> dict[str, Sample]:
    return ContainerCgroups(root / "cg", proc(root)).samples()


@pytest.mark.parametrize(
    "place",
    [
        f"system.slice/docker-{ID}.scope",
        f"docker/{ID}",
        f"user.slice/user-1000.slice/user@1000.service/app.slice/docker-{ID}.scope",
        f"kubepods.slice/pod1/{ID}",
        f"docker/{OTHER[:12]}/docker/{ID}",
    ],
    ids=["systemd", "cgroupfs", "rootless", "below another", "docker in docker"],
)
def test_containers_are_found_wherever_their_groups_are(tmp_path: Path, place: str):
    group(tmp_path, place)
    assert set(samples(tmp_path)) == {ID}


@pytest.mark.parametrize(
    "place",
    [
        f"docker/{ID[:-1]}",
        f"docker/{ID}0",
        f"docker/{ID.upper()}",
        f"system.slice/docker-{ID}.mount",
        f"system.slice/crio-{ID}.scope",
        f"a/b/c/d/e/f/g/{ID}",
    ],
    ids=["too short", "too long", "capitals", "a mount", "another's", "too deep"],
)
def test_what_is_no_container_is_none(tmp_path: Path, place: str):
    group(tmp_path, place)
    assert samples(tmp_path) == {}


def test_groups_inside_a_container_are_its_own_matter(tmp_path: Path):
    group(tmp_path, f"docker/{ID}")
    group(tmp_path, f"docker/{ID}/docker/{OTHER}")
    assert set(samples(tmp_path)) == {ID}


def test_a_link_among_the_groups_is_not_followed(tmp_path: Path):
    group(tmp_path, f"docker/{ID}")
    (tmp_path / "cg" / "loop").symlink_to(tmp_path / "cg")
    assert set(samples(tmp_path)) == {ID}


@pytest.mark.parametrize(
    ("files", "field", "value"),
    [
        ({"memory_current": "5000\n", "memory_stat": "anon 1\ninactive_file 4000\n"}, "memory", 1000),
        ({"memory_current": "5000\n", "memory_stat": "inactive_file 9000\n"}, "memory", 5000),
        ({"memory_current": "5000\n", "memory_stat": "inactive_file 5000\n"}, "memory", 5000),
        ({"memory_max": "4096\n"}, "memory_limit", 4096),
        ({"memory_max": "max\n"}, "memory_limit", GIB * KIB),
        ({"memory_max": str(2**63)}, "memory_limit", GIB * KIB),
        ({"cpu_stat": "user_usec 1\nusage_usec 5\nnr_periods 0\n"}, "cpu_ns", 5000),
        ({"cpu_stat": "user_usec 1\n"}, "cpu_ns", 0),
        ({"io_stat": ""}, "disk_read", 0),
        ({"io_stat": "8:0 rbytes=5 wbytes=6 rios=1 wios=1 dbytes=0 dios=0\n"}, "disk_write", 6),
        ({"io_stat": "8:0\n253:0 rbytes=7 wbytes=8\n"}, "disk_read", 7),
        ({"pids_current": "12\n"}, "pids", 12),
        ({"cgroup_procs": "999\n"}, "net_rx", 0),
    ],
)
def test_a_group_counts(tmp_path: Path, files: dict[str, str], field: str, value: int):
    group(tmp_path, f"docker/{ID}", **files)
    assert getattr(samples(tmp_path)[ID], field) == value


@pytest.mark.parametrize(
    "files",
    [{"memory_current": "\n"}, {"memory_current": "many\n"}, {"cpu_stat": "usage_usec\n"}, {"pids_current": "-\n"}],
    ids=["empty", "a word", "no value", "a dash"],
)
def test_a_malformed_control_group_is_left_out_and_its_neighbour_is_not(tmp_path: Path, files: dict[str, str]):
    group(tmp_path, f"docker/{ID}", **files)
    group(tmp_path, f"docker/{OTHER}")
    assert set(samples(tmp_path)) == {OTHER}


@given(rows=st.lists(st.tuples(st.sampled_from(["eth0", "lo", "veth1", "wlan0"]), st.integers(0, 2**63)), max_size=6))
def test_a_network_is_the_sum_of_what_is_not_inner(rows: list[tuple[str, int]]):
    text = HEADER + "".join(interface(name, number, number * 2) for name, number in rows)
    outer = sum(number for name, number in rows if name in {"eth0", "wlan0"})
    assert counters.sum_interfaces(text, ("lo", "veth")) == (outer, outer * 2)


def route(name: str, destination: str, mask: str) -> str:
    return f"{name}\t{destination}\t00000000\t0001\t0\t0\t0\t{mask}\t0\t0\t0\n"


def test_routes_are_what_the_host_reaches_but_the_default_and_the_managed_network(tmp_path: Path):
    rows = [
        ("eth0", "00000000", "00000000"),
        ("eth0", "0001A8C0", "00FFFFFF"),
        ("docker0", "000011AC", "0000FFFF"),
        ("corral0", "00002A0A", "0000FFFF"),
        ("odd", "zz", "00FFFFFF"),
        ("odd", "0101A8C0", "00FFFFFF"),
    ]
    table = "Iface Destination Gateway Flags RefCnt Use Metric Mask\n" + "".join(route(*row) for row in rows) + "odd\n"
    assert machine.read_routes(proc(tmp_path, net_route=table)) == ["172.17.0.0/16", "192.168.1.0/24"]
    assert machine.read_routes(tmp_path / "nowhere") == []


@given(st.text(max_size=200))
def test_a_table_of_routes_may_hold_anything(text: str):
    for row in text.splitlines():
        words = [*row.split(), "", "", ""]
        assert isinstance(machine._network(words[0], words[1]), str)
