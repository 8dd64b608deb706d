"""Containers on several hosts in one network, made by the agents' network part without a portal."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Callable, Iterator

import pytest

from tests.fleet.commands import wait_for
from tests.fleet.fleet import Fleet
from tests.fleet.host import Host
from tests.fleet.managed_network import Lab, show, until

pytestmark = pytest.mark.docker


@pytest.fixture(scope="module")
def lab(fleet: Fleet) -> Iterator[Lab]:
    with Lab.of(fleet) as made:
        yield made


def test_containers_reach_each_other_on_all_hosts(lab: Lab):
    one, two, three = lab.run(1, "10.42.4.1"), lab.run(2, "10.42.4.2"), lab.run(3, "10.42.4.3")
    lab.push()
    until(lambda: lab.ping(1, one, "10.42.4.2"), 5, "1 to 2")
    for number, container in ((1, one), (2, two), (3, three)):
        everybody = "for each in 4.1 4.2 4.3 0.1 0.2 0.3; do ping -c1 -W1 10.42.$each >/dev/null || echo $each; done"
        assert lab.exec(number, container, "sh", "-c", everybody) == (0, "")
    shown = lab.fleet.hosts[2].terminal.inspect_container(two)["NetworkSettings"]["Networks"]
    assert [each["IPAddress"] for each in shown.values()] == ["10.42.4.2"]


def test_a_container_that_moved_is_reached_at_once(lab: Lab):
    one, old = lab.run(1, "10.42.4.1"), lab.run(2, "10.42.4.7")
    lab.push()
    until(lambda: lab.ping(1, one, "10.42.4.7"), 5, "the first place")
    lab.stop(2, old)
    lab.run(3, "10.42.4.7")
    took = until(lambda: lab.ping(1, one, "10.42.4.7"), 5, "the second place")
    local = lab.run(3, "10.42.4.8")
    assert lab.ping(3, local, "10.42.4.7")
    show(f"reached {took * 1000:.0f} ms after its start")


def test_everything_goes_on_without_agents_and_engines(lab: Lab):
    one, two = lab.run(1, "10.42.4.1"), lab.run(2, "10.42.4.2")
    lab.push()
    until(lambda: lab.ping(1, one, "10.42.4.2"), 5, "before")
    lab.agents[1].end(signal.SIGKILL)
    assert lab.ping(1, one, "10.42.4.2")
    lab.agents[1].start()
    lab.agents[1].wait_until()
    assert lab.ping(1, one, "10.42.4.2")
    lab.fleet.engines[2].end(signal.SIGKILL)
    assert lab.ping(1, one, "10.42.4.2")
    lab.fleet.engines[2].restart()
    lab.fleet.hosts[2].terminal.start(two)
    until(lambda: lab.ping(1, one, "10.42.4.2"), 5, "after the engine")


def test_a_peer_that_left_hears_nothing_until_it_is_back(lab: Lab):
    one, three = lab.run(1, "10.42.4.1"), lab.run(3, "10.42.4.3")
    lab.push()
    until(lambda: lab.ping(1, one, "10.42.4.3"), 5, "before")
    lab.push(1, 2)
    assert not lab.ping(1, one, "10.42.4.3")
    lab.push()
    until(lambda: lab.ping(1, one, "10.42.4.3"), 5, "after")
    assert lab.ping(3, three, "10.42.4.1")


def test_a_container_moved_while_a_cable_was_cut(lab: Lab):
    one, old = lab.run(1, "10.42.4.1"), lab.run(2, "10.42.4.9")
    lab.push()
    until(lambda: lab.ping(1, one, "10.42.4.9"), 5, "before")
    until(lambda: _reachable(lab, 3, "h1"), 5, "reported")
    lab.fleet.hosts[1].disconnect()
    until(lambda: not _reachable(lab, 3, "h1"), 10, "silence reported")
    lab.stop(2, old)
    lab.run(3, "10.42.4.9")
    time.sleep(1)  # all its announcements are lost
    lab.fleet.hosts[1].reconnect()
    took = until(lambda: lab.ping(1, one, "10.42.4.9"), 10, "after")
    show(f"reached {took * 1000:.0f} ms after the cable was back")


def _reachable(lab: Lab, number: int, peer: str) -> bool:
    return bool(lab.agents[number].status()["peers"][peer]["reachable"])


def test_a_power_failure_is_healed_before_the_portal_is_back(lab: Lab):
    one, three = lab.run(1, "10.42.4.1"), lab.run(3, "10.42.4.3")
    lab.push()
    lab.fleet.hosts[3].power_off()
    lab.fleet.power_on(3)
    lab.agents[3].start()
    lab.agents[3].wait_until()
    lab.fleet.hosts[3].terminal.start(three)
    until(lambda: lab.ping(1, one, "10.42.4.3"), 5, "after")


def test_the_engines_own_rule_against_routed_packets_changes_nothing(lab: Lab):
    one, two = lab.run(1, "10.42.4.1"), lab.run(2, "10.42.4.2", port_bindings={80: 8080})
    lab.push()
    rule = ("PREROUTING", "-d", "10.42.4.2", "!", "-i", "corral0", "-j", "DROP")
    host = lab.fleet.hosts[2]
    host.run("iptables", "-t", "raw", "-I", *rule)
    try:
        until(lambda: lab.ping(1, one, "10.42.4.2"), 5, "from another host")
        assert lab.ping(2, two, "10.42.4.1")
        host.run("ping", "-c1", "-W1", "10.42.4.2")
        lab.fleet.hosts[1].run("ping", "-c1", "-W1", "10.42.4.2")
    finally:
        host.run("iptables", "-t", "raw", "-D", *rule)


def test_encryption_is_switched_on_under_running_containers(lab: Lab):
    one, two = lab.run(1, "10.42.4.1"), lab.run(2, "10.42.4.2")
    lab.push()
    until(lambda: lab.ping(1, one, "10.42.4.2"), 5, "before")
    lab.encrypt()
    until(lambda: lab.ping(1, one, "10.42.4.2"), 10, "with encryption")
    for number, container in ((1, one), (2, two)):  # they keep running, and send nothing longer than what fits now
        mtu = ("cat", "/sys/class/net/eth0/mtu")
        wait_for(lambda: lab.exec(number, container, *mtu)[1].strip() == "1370", "the container's MTU", seconds=60)  # noqa: B023
    with captured(lab.fleet.hosts[2]) as wire:
        # Longer than what fits now: it comes in pieces.
        assert lab.ping(1, one, "10.42.4.2", "-s", "1400", "-p", "5a", "-c3"), lab.exec(
            1, one, "ip", "route", "get", "10.42.4.2"
        )
        assert lab.ping(2, two, "10.42.4.1", "-p", "5a")
    assert b"Z" * 16 not in wire()
    assert b"\x0a\x2a\x04\x01\x0a\x2a\x04\x02" not in wire()
    key = lab.agents[1].folder / "network" / "wireguard.key"
    assert key.stat().st_mode & 0o777 == 0o600
    assert key.read_text().strip() not in (lab.agents[1].folder / "status.json").read_text()
    # The tunnel's process dies: it is started again, and meanwhile nothing leaves in the clear.
    with captured(lab.fleet.hosts[1]) as wire:
        lab.fleet.hosts[1].run("pkill", "-KILL", "wireguard-go")
        took = until(lambda: lab.ping(1, one, "10.42.4.2", "-p", "5a"), 10, "with a new tunnel")
    show(f"reached {took * 1000:.0f} ms after the tunnel's process was killed")
    assert b"Z" * 16 not in wire()
    lab.push(encryption="none", mtu=1450)
    with captured(lab.fleet.hosts[2]) as wire:
        until(lambda: lab.ping(1, one, "10.42.4.2", "-p", "5a"), 5, "without encryption")
    assert b"Z" * 16 in wire()  # so the test would see it


@contextlib.contextmanager
def captured(host: Host) -> Iterator[Callable[[], bytes]]:
    """What passes the host's network cable meanwhile."""
    file = host.folder / "capture.pcap"
    file.unlink(missing_ok=True)
    program = host.spawn("tcpdump", "tcpdump", "-i", "eth0", "-U", "--immediate-mode", "-Z", "root", "-w", str(file))
    wait_for(lambda: file.exists() and file.stat().st_size >= 24, "the capture to begin")
    yield file.read_bytes
    program.end(signal.SIGINT)
