"""A hostile container speaks with no other address than its own, and who may reach whom is as the policy says."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fleet import frames
from tests.fleet.commands import wait_for
from tests.fleet.fleet import Fleet
from tests.fleet.frames import arp_reply, ip_frame, other_frame
from tests.fleet.managed_network import Lab, mac_of, until

pytestmark = pytest.mark.docker

ROGUE, VICTIM, REMOTE = "10.42.4.11", "10.42.4.12", "10.42.4.13"
PROGRAM = Path(frames.__file__)


@pytest.fixture(scope="module")
def lab(fleet: Fleet) -> Iterator[Lab]:
    with Lab.of(fleet) as made:
        yield made


class Attack:
    """A rogue and a victim on host 1, another victim on host 2."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.rogue, self.victim = lab.run(1, ROGUE), lab.run(1, VICTIM)
        self.remote = lab.run(2, REMOTE)
        lab.push()
        until(lambda: lab.ping(1, self.rogue, REMOTE), 5, "the rogue reaches the other host")

    def frames(self, to: str) -> dict[str, tuple[bytes, str]]:
        """By their marks, to one of the victims; the last one is honest."""
        mine, theirs, other = mac_of(ROGUE), mac_of(to), VICTIM if to == REMOTE else REMOTE
        inner = ip_frame(mac_of(other), other, theirs, to, "mark-injected")
        far = self.lab.fleet.hosts[2].address
        made = {
            "mark-address": ip_frame(mine, other, theirs, to, "mark-address"),
            "mark-mac": ip_frame(mac_of(other), ROGUE, theirs, to, "mark-mac"),
            "mark-both": ip_frame(mac_of(other), other, theirs, to, "mark-both"),
            "mark-service": ip_frame(mine, "169.254.169.250", theirs, to, "mark-service"),
            "mark-outside": ip_frame(mine, "8.8.8.8", theirs, to, "mark-outside"),
            "mark-gateway": arp_reply(mine, "10.42.0.1", theirs, to, "mark-gateway"),
            "mark-arp": arp_reply(mine, ROGUE, theirs, to, "mark-arp", inner_mac=mac_of(other)),
            "mark-kind": other_frame(0x88B5, mine, theirs, "mark-kind"),
            "mark-vlan": other_frame(0x8100, mine, theirs, "mark-vlan"),
            "mark-honest": ip_frame(mine, ROGUE, theirs, to, "mark-honest"),
        }
        injected = {"mark-injected": (frames.vxlan(42, inner), far)} if to == REMOTE else {}
        return injected | {mark: (frame, "") for mark, frame in made.items()}

    def arrived(self, number: int, container: str, to: str) -> set[str]:
        """Which marks come through to a victim."""
        sent = self.frames(to)
        with listening(self.lab, number, container, *sent) as seen:
            send(namespace(self.lab, 1, self.rogue), list(sent.values()))
        return seen


def namespace(lab: Lab, number: int, container: str) -> list[str]:
    """What to put before a command to have it run in a container's network."""
    host = lab.fleet.hosts[number]
    pid = host.terminal.inspect_container(container)["State"]["Pid"]
    return [*host.enter_command, "nsenter", "-t", str(pid), "-n"]


@contextlib.contextmanager
def listening(lab: Lab, number: int, container: str, *marks: str) -> Iterator[set[str]]:
    """Those of the marks that a container has received, afterwards; the last one ends it."""
    command = [*namespace(lab, number, container), sys.executable, str(PROGRAM), "receive", "eth0", *marks]
    seen: set[str] = set()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as receiver:
        assert receiver.stdout is not None
        assert receiver.stdout.readline() == "ready\n"
        yield seen
        seen |= set(json.loads(receiver.stdout.read()))


def send(inside: list[str], sent: list[tuple[bytes, str]]) -> None:
    """Send frames, or VXLAN to an address, from within a network."""
    script = json.dumps([[frame.hex(), address] for frame, address in sent])
    sender = [*inside, sys.executable, str(PROGRAM), "send", "eth0"]
    subprocess.run(sender, input=script, text=True, check=True, timeout=20)


def test_nobody_speaks_with_an_address_of_somebody_else(lab: Lab):
    attack = Attack(lab)
    assert attack.arrived(1, attack.victim, VICTIM) == {"mark-honest"}
    assert attack.arrived(2, attack.remote, REMOTE) == {"mark-honest"}
    # Without filters all of it would arrive, so the frames are what they are meant to be.
    for number in (1, 2):
        for family in ("bridge", "ip"):
            lab.fleet.hosts[number].run("nft", "delete", "table", family, "corral")
    assert attack.arrived(2, attack.remote, REMOTE) == set(attack.frames(REMOTE))
    # And whoever takes the filters away finds them put back.
    wait_for(lambda: all(_has_filters(lab, number) for number in (1, 2)), "the filters to be put back")
    assert attack.arrived(1, attack.victim, VICTIM) == {"mark-honest"}


def _has_filters(lab: Lab, number: int) -> bool:
    return "table bridge corral" in lab.fleet.hosts[number].run("nft", "list", "tables")


def test_another_environment_with_the_same_subnet_is_another_network(lab: Lab):
    """Host 3 leaves for another environment; its network is made anew for that, since nobody is connected to it."""
    victim = lab.run(1, VICTIM)
    lab.push(1, 2)
    lab.agents[3].put({**lab.document(3, {3}), "vni": 43, "gateway": "10.42.0.9"})
    lab.agents[3].wait_until()
    assert "10.42.0.9/16" in lab.fleet.hosts[3].run("ip", "addr", "show", "corral0")
    other = lab.run(3, "10.42.4.31")
    assert not lab.ping(3, other, VICTIM)
    assert not lab.ping(1, victim, "10.42.4.31")
    # Frames of the first network's number are not taken from a host that is not in it, whatever they say.
    frame = ip_frame(mac_of(REMOTE), REMOTE, mac_of(VICTIM), VICTIM, "mark-foreign")
    friend = lab.run(2, REMOTE)
    until(lambda: lab.ping(2, friend, VICTIM), 5, "the friend")
    honest = ip_frame(mac_of(REMOTE), REMOTE, mac_of(VICTIM), VICTIM, "mark-honest")
    with listening(lab, 1, victim, "mark-foreign", "mark-honest") as seen:
        send(lab.fleet.hosts[3].enter_command, [(frames.vxlan(42, frame), lab.fleet.hosts[1].address)])
        send(namespace(lab, 2, friend), [(honest, "")])
    assert seen == {"mark-honest"}
    lab.stop(3, other)
    lab.push()


def test_a_policy_says_who_reaches_whom(lab: Lab):
    one, two, three = lab.run(1, "10.42.4.21"), lab.run(1, "10.42.4.22"), lab.run(2, "10.42.4.23")
    lab.push()
    until(lambda: lab.ping(2, three, "10.42.4.21"), 60, "before")
    groups = {"10.42.4.21": 1, "10.42.4.22": 2, "10.42.4.23": 1}
    lab.push(policy={"mode": "stack", "groups": groups})
    until(lambda: lab.ping(2, three, "10.42.4.21"), 60, "within a group")
    assert not lab.ping(1, one, "10.42.4.22")
    assert not lab.ping(2, three, "10.42.4.22")
    lab.fleet.hosts[2].run("ping", "-c1", "-W1", "10.42.4.22")
    apart = {**groups, "10.42.4.23": 3}
    lab.push(policy={"mode": "linked", "groups": apart, "allowed": [[3, 2]]})
    until(lambda: lab.ping(2, three, "10.42.4.22"), 60, "to a linked group")
    assert not lab.ping(1, two, "10.42.4.23")  # which only answers
    assert not lab.ping(1, one, "10.42.4.23")
    lab.push(policy={"mode": "stack", "groups": apart, "allowed": [], "stacks": [[2, 3]]})
    until(lambda: lab.ping(1, two, "10.42.4.23"), 60, "within a stack")
    assert lab.ping(2, three, "10.42.4.22")
    assert not lab.ping(1, one, "10.42.4.22")
    lab.push(policy={"mode": "all", "groups": {}, "allowed": [], "stacks": []})
    until(lambda: lab.ping(1, one, "10.42.4.23"), 60, "without a policy")
