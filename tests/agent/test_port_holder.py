"""Which program of the host has a port, by the kernel's tables."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from corral_agent.network.traffic import read_traffic
from corral_agent.port_holder import find_port_holder

HOLD = """
import socket, sys
held = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
held.bind(("127.0.0.1", 0))
print(held.getsockname()[1], flush=True)
sys.stdin.read()
"""


@pytest.mark.sockets
def test_another_process_is_named_with_its_number():
    with subprocess.Popen([sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        assert f"(process {process.pid})" in find_port_holder(port)
        process.communicate()
    assert find_port_holder(port) == ""


def test_the_agent_s_own_sockets_are_nobody_else_s():
    with socket.create_server(("127.0.0.1", 0)) as held:
        assert find_port_holder(held.getsockname()[1]) == ""


def test_nothing_is_said_where_the_kernel_s_tables_are_missing_or_odd(tmp_path: Path):
    assert find_port_holder(53, tmp_path) == ""
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "udp").write_text("head\n 0: odd\n 1: 0100007F:0035 00000000:0000 07 0:0 0:0 0 0 0 99 2\n")
    (tmp_path / "7").mkdir()
    assert find_port_holder(53, tmp_path) == ""
    (tmp_path / "7" / "fd").mkdir()
    (tmp_path / "7" / "fd" / "3").symlink_to("socket:[99]")
    assert find_port_holder(53, tmp_path) == "a program (process 7)"
    (tmp_path / "7" / "comm").write_text("dnsmasq\n")
    assert find_port_holder(53, tmp_path) == "dnsmasq (process 7)"


def test_traffic_is_that_of_the_port_and_the_losses_of_all(tmp_path: Path):
    counters = {"vx": {"rx_bytes": 10, "tx_bytes": 20, "rx_dropped": 1}, "wg": {"tx_errors": 4, "rx_bytes": 999}}
    assert read_traffic("vx", ("wg",), tmp_path) == {}
    for device, values in counters.items():
        (tmp_path / device / "statistics").mkdir(parents=True)
        for name, value in values.items():
            (tmp_path / device / "statistics" / name).write_text(f"{value}\n")
    assert read_traffic("vx", ("wg", "gone"), tmp_path) == {"received": 10, "sent": 20, "dropped": 5}
