"""Pretend hosts that check whether they reach each other: what is cut, too short or in the way is found, and where."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from tests.fleet.commands import run, wait_for
from tests.fleet.fleet import Fleet
from tests.fleet.managed_network import Lab

pytestmark = pytest.mark.docker

_numbers = itertools.count(1)


class CheckedLab:
    """A lab whose hosts check each other."""

    def __init__(self, lab: Lab) -> None:
        self.lab, self.number = lab, 0

    def begin(self) -> None:
        self.number = next(_numbers)
        for each, agent in self.lab.agents.items():
            document = self.lab.document(each, set(self.lab.agents))
            agent.check({**document, "containers": [], "check": self.number, "key": "5a" * 32})

    def found(self, number: int) -> dict[str, Any]:
        """What host `number` reports of this check."""
        report = self.lab.agents[number].checked()
        return report if report.get("check") == self.number else {}

    def way(self, sender: int, receiver: int) -> dict[str, Any]:
        """What one host has heard of another."""
        peers: dict[str, Any] = self.found(receiver).get("peers", {})
        way: dict[str, Any] = peers.get(f"h{sender}", {})
        return way

    def heard(self, sender: int, receiver: int) -> set[int]:
        """The lengths that arrive."""
        return {int(size) for size in self.way(sender, receiver).get("sizes", {})}

    def until_heard(self, *ways: tuple[int, int], size: int) -> None:
        wait_for(lambda: all(size in self.heard(*way) for way in ways), f"{size} bytes on {ways}: {self.all()}")

    def until_rounds(self, rounds: int) -> None:
        """Wait until every host has sent so many hellos since all take part."""
        wait_for(lambda: all(self.found(each).get("seconds", 0) >= rounds for each in self.lab.agents), "the rounds")

    def all(self) -> dict[int, dict[str, Any]]:
        return {each: agent.checked() for each, agent in self.lab.agents.items()}


WAYS = [(1, 2), (2, 1), (1, 3), (3, 1), (2, 3), (3, 2)]


@pytest.fixture(scope="module")
def lab(fleet: Fleet) -> Iterator[Lab]:
    with Lab.of(fleet) as made:
        yield made


@pytest.fixture
def checked(lab: Lab) -> CheckedLab:
    made = CheckedLab(lab)
    made.begin()
    return made


def test_hosts_that_reach_each_other_hear_every_length(checked: CheckedLab):
    checked.until_heard(*WAYS, size=1450)
    wait_for(lambda: all(checked.way(*way)["roundTrip"] and checked.way(*way)["direct"] for way in WAYS), "echoes")
    for way in WAYS:
        assert checked.heard(*way) == {128, 576, 1000, 1280, 1450}
        assert abs(checked.way(*way)["clock"]) < 30
        assert checked.way(*way)["carried"] is None
    assert all(checked.found(each)["routes"] == [] for each in (1, 2, 3))


def test_a_port_that_is_cut_in_one_direction_is_found(lab: Lab, checked: CheckedLab):
    one, two = lab.fleet.hosts[1], lab.fleet.hosts[2]
    two.run("nft", "add table ip cut; add chain ip cut in { type filter hook input priority 0; }")
    two.run("nft", f"add rule ip cut in ip saddr {one.address} udp dport 4789 drop")
    try:
        checked.begin()
        checked.until_heard((2, 1), (1, 3), (3, 2), size=1450)
        checked.until_rounds(3)
        assert checked.heard(1, 2) == set()
        wait_for(lambda: checked.way(1, 2)["direct"] is not None, "the host itself answers")
    finally:
        two.run("nft", "delete table ip cut")
    checked.until_heard((1, 2), size=1450)


def test_a_cable_that_takes_short_packets_only_is_found(lab: Lab, checked: CheckedLab):
    switch = lab.fleet.switch
    run("ip", "-n", switch.netns, "link", "set", "h3", "mtu", "1400")
    try:
        checked.begin()
        checked.until_heard((1, 2), (2, 1), size=1450)
        checked.until_heard((1, 3), (3, 1), (2, 3), (3, 2), size=1280)
        checked.until_rounds(3)
        # What goes to host 3 may come in fragments: some kernels' bridges make them.
        assert [max(checked.heard(3, receiver)) for receiver in (1, 2)] == [1280, 1280]
    finally:
        run("ip", "-n", switch.netns, "link", "set", "h3", "mtu", "1500")


def test_a_route_into_the_network_is_found(lab: Lab, checked: CheckedLab):
    host = lab.fleet.hosts[3]
    host.run("ip", "route", "add", "10.42.200.0/24", "via", lab.fleet.switch.portal)
    try:
        wait_for(lambda: checked.found(3).get("routes") == ["10.42.200.0/24 via eth0"], "the route")
        wait_for(lambda: checked.found(1).get("routes") == [], "host 1, which has none")
    finally:
        host.run("ip", "route", "del", "10.42.200.0/24")


def test_a_cut_below_the_encryption_is_found_with_its_direction(lab: Lab):
    lab.push()
    lab.encrypt()
    one, two = lab.fleet.hosts[1], lab.fleet.hosts[2]
    try:
        checked = CheckedLab(lab)
        checked.begin()
        checked.until_heard(*WAYS, size=1370)
        wait_for(lambda: all(checked.way(*way)["carried"] for way in WAYS), "the counters to grow")
        two.run("nft", "add table ip cut; add chain ip cut in { type filter hook input priority 0; }")
        two.run("nft", f"add rule ip cut in ip saddr {one.address} udp dport 51820 drop")
        for host in (one, two):  # handshakes of a minute ago would carry on for two more
            host.run("pkill", "-KILL", "wireguard-go")
        for agent in (lab.agents[1], lab.agents[2]):
            agent.wait_until()
        checked.begin()
        wait_for(lambda: checked.way(2, 1).get("carried") is True, "what 2 sends to arrive")
        checked.until_heard((1, 3), (3, 2), size=1370)
        assert (checked.heard(1, 2), checked.way(1, 2)["carried"]) == (set(), False)
    finally:
        two.run("nft", "delete table ip cut", check=False)
        lab.push(encryption="none", mtu=1450)
