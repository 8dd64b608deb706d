"""What passes between two hosts, measured over this machine's own addresses: within limits, and with nobody else."""

from __future__ import annotations

import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from corral_agent.network import preflight_throughput
from corral_agent.network.preflight_throughput import Ends, Measured, ThroughputTask, measure

ONE, TWO = "127.0.0.1", "127.0.0.2"
MIB = 1 << 20
KEY = b"k" * 32


@pytest.fixture
def port() -> int:
    """One that is free at both addresses, as far as anybody knows."""
    with socket.create_server((ONE, 0)) as server:
        return int(server.getsockname()[1])


def both(port: int, first: ThroughputTask, second: ThroughputTask, key: bytes = KEY) -> tuple[Measured, Measured]:
    """Two hosts that measure at the same time."""
    there = Ends(ONE, TWO, KEY, 7, port)
    back = Ends(TWO, ONE, key, 7, port)
    with ThreadPoolExecutor(2) as pool:
        found = [pool.submit(measure, *each, 2.0) for each in ((there, first), (back, second))]
        return found[0].result(30), found[1].result(30)


def test_both_directions_are_measured_within_the_agreed_amount(port: int):
    task = ThroughputTask("other", sends_first=True, most_bytes=8 * MIB, seconds=5.0)
    first, second = both(port, task, replace(task, sends_first=False))
    assert (first.received, second.received) == (8 * MIB, 8 * MIB)
    assert (first.reason, second.reason) == ("", "")
    assert first.seconds > 0
    assert first.as_json()["bytes"] == 8 * MIB


def test_time_ends_it_too(port: int):
    task = ThroughputTask("other", sends_first=True, most_bytes=2**40, seconds=0.2)
    first, second = both(port, task, replace(task, sends_first=False))
    assert 0 < first.received < 2**40
    assert 0 < second.received < 2**40


def test_one_with_another_key_is_turned_away(port: int):
    task = ThroughputTask("other", sends_first=True, most_bytes=MIB, seconds=0.1)
    first, second = both(port, task, replace(task, sends_first=False), key=b"x" * 32)
    assert (first.received, second.received) == (0, 0)
    assert f"nothing came from {ONE} on TCP {port}" in second.reason


def test_a_foreign_connection_does_not_keep_the_other_host_from_it(port: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(preflight_throughput, "_SILENCE", 0.2)
    ends, task = Ends(ONE, TWO, KEY, 7, port), ThroughputTask("other", True, MIB, 5.0)
    with preflight_throughput._listen(ends) as server:
        found: list[Measured] = []
        thread = threading.Thread(target=lambda: found.append(preflight_throughput._receive(server, ends, task, 20.0)))
        thread.start()
        with socket.create_connection((ONE, port), source_address=("127.0.0.3", 0)) as foreign:
            foreign.sendall(ends.proof_of(TWO) + b"from elsewhere")
            with socket.create_connection((ONE, port), source_address=(TWO, 0)) as silent:
                silent.sendall(b"short")
                preflight_throughput._send(Ends(TWO, ONE, KEY, 7, port), task, 20.0)
        thread.join(30)
    assert found[0].received == MIB


def test_nobody_there_is_said_with_the_port(port: int):
    ends, task = Ends(ONE, TWO, KEY, 7, port), ThroughputTask("other", True, MIB, 0.1)
    for each in (task, replace(task, sends_first=False)):
        why = f"nothing came from {TWO} on TCP {port}: open it in the firewalls of both hosts"
        assert measure(ends, each, 0.1).reason == why


def test_a_port_that_something_else_has_is_said(port: int):
    ends, task = Ends(ONE, TWO, KEY, 7, port), ThroughputTask("other", True, MIB, 0.1)
    with socket.create_server((ONE, port)):
        assert "in use" in measure(ends, task, 0.1).reason
