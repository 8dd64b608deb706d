"""Containers with a larger MTU than fits now: lowered at both ends of the cable, in the right namespace only."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from corral_agent.network import commands, netlink
from corral_agent.network.commands import CommandFailed
from corral_agent.network.container_mtu import ContainerMtus
from corral_agent.network.document import parse_document
from corral_agent.network.filters import Guest
from corral_agent.network.found import Found, NetworkLink
from tests.agent.network.documents import encrypted_document

DOCUMENT = parse_document(encrypted_document())
GUEST = Guest("veth1", "02:42:0a:2a:04:01", "10.42.4.1")
CABLE = NetworkLink(5, "veth1", "veth", master=DOCUMENT.bridge, mtu=1450, peer_index=4, peer_nsid=7)


class Containers:
    """Two processes in two namespaces, of which one is the container's."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.processes, self.calls, self.mac = folder, list[tuple[str, ...]](), GUEST.mac
        self.failing = ""
        for number in (1, 20, 21):
            (folder / str(number) / "ns").mkdir(parents=True)
            (folder / str(number) / "ns" / "net").touch()
        (folder / "300").touch()  # no process: a file
        self.numbers = {self.inode(1): -1, self.inode(20): 3, self.inode(21): 7}
        monkeypatch.setattr(netlink, "read_namespace_id", lambda descriptor: self.numbers[os.fstat(descriptor).st_ino])
        monkeypatch.setattr(commands, "run", self.run)

    def inode(self, process: int) -> int:
        return (self.processes / str(process) / "ns" / "net").stat().st_ino

    def run(self, command: Sequence[str], stdin: str = "") -> str:
        self.calls.append(tuple(command))
        if self.failing and self.failing in command:
            raise CommandFailed("it cannot be entered")
        lo, eth = {"ifindex": 1, "ifname": "lo"}, {"ifindex": 4, "ifname": "eth0", "address": self.mac}
        return json.dumps([lo, eth]) if "show" in command else ""

    @property
    def changes(self) -> list[tuple[str, ...]]:
        return [call for call in self.calls if "set" in call]


@pytest.fixture
def containers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Containers:
    return Containers(tmp_path, monkeypatch)


def found(*links: NetworkLink) -> Found:
    return Found(links={link.name: link for link in links})


def test_both_ends_are_lowered_the_containers_first(containers: Containers):
    assert ContainerMtus(containers.processes).reduce(DOCUMENT, found(CABLE), {GUEST}) == 0
    inside = ("nsenter", f"--net={containers.processes}/21/ns/net", "ip")
    mtu = ("mtu", str(DOCUMENT.mtu))
    assert containers.changes == [
        (*inside, "link", "set", "dev", "eth0", *mtu),
        ("ip", "link", "set", "dev", "veth1", *mtu),
    ]


@pytest.mark.parametrize("mtu", [DOCUMENT.mtu, DOCUMENT.mtu - 100])
def test_what_fits_is_left_alone(mtu: int, containers: Containers):
    assert ContainerMtus(containers.processes).reduce(DOCUMENT, found(replace(CABLE, mtu=mtu)), {GUEST}) == 0
    assert containers.calls == []


@pytest.mark.parametrize("breaks", ["no namespace", "another container", "nsenter", "not known"])
def test_one_that_cannot_be_reached_is_counted_and_tried_once(breaks: str, containers: Containers):
    guests = set() if breaks == "not known" else {GUEST}
    if breaks == "no namespace":
        containers.numbers[containers.inode(21)] = -1
    containers.mac = "02:42:0a:2a:04:09" if breaks == "another container" else GUEST.mac
    containers.failing = "nsenter" if breaks == "nsenter" else ""
    mtus = ContainerMtus(containers.processes)
    assert mtus.reduce(DOCUMENT, found(CABLE), guests) == 1
    assert containers.changes == []
    containers.calls.clear()
    assert mtus.reduce(DOCUMENT, found(CABLE), guests) == 1
    assert containers.calls == []
    again = CABLE if breaks == "not known" else replace(CABLE, index=9)  # it was started again
    containers.failing, containers.mac, containers.numbers[containers.inode(21)] = "", GUEST.mac, 7
    assert mtus.reduce(DOCUMENT, found(again), {GUEST}) == 0


def test_this_namespace_has_no_number_for_itself():
    with Path("/proc/self/ns/net").open() as own:
        assert netlink.read_namespace_id(own.fileno()) == -1
