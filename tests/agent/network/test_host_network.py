"""The managed network on a machine whose programs are stood in for: the order of things, keys, filters, ports."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from corral_agent.network import commands, netlink
from corral_agent.network.commands import CommandFailed, ProgramMissing
from corral_agent.network.document import parse_document
from corral_agent.network.filters import Guest
from corral_agent.network.host_network import NetworkDevices
from tests.agent.network.documents import KEY_ONE, KEY_TWO, encrypted_document, plain_document

GUEST = Guest("veth1", "02:42:0a:2a:04:01", "10.42.4.1")
PLAIN, ENCRYPTED = parse_document(plain_document()), parse_document(encrypted_document())
ENDPOINTS = {GUEST.mac: GUEST.address}
PRIVATE = "P" * 43 + "="


class Programs:
    """Answers as iproute2, nft and wg would, on a machine that has the bridge and one container's cable."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, ...]] = []
        self.links: list[dict[str, Any]] = [
            _link(1, "lo", "", "127.0.0.1/8"),
            _link(2, "eth0", "", "192.0.2.1/24"),
            _link(3, "corral0", "bridge", "10.42.0.1/16"),
            {**_link(5, "veth1", "veth"), "master": "corral0", "link_index": 4, "link_netnsid": 0},
        ]
        self.routes = [{"dst": "default", "dev": "eth0"}, {"dst": "10.42.0.0/16", "dev": "corral0"}]
        self.rules = ""
        self.failing: dict[tuple[str, ...], CommandFailed] = {}

    def run(self, command: Sequence[str], stdin: str = "") -> str:
        words = tuple(command)
        self.calls.append(words)
        for begun, error in self.failing.items():
            if words[: len(begun)] == begun:
                raise error
        if words == ("nft", "-f", "-"):
            self.rules = stdin
        elif words in {("ip", "link", "add", "corral-wg", "type", "wireguard"), ("wireguard-go", "corral-wg")}:
            self.links.append(_link(8, "corral-wg", "tun"))
        elif words == ("ip", "link", "del", "corral-wg"):
            self.links = [link for link in self.links if link["ifname"] != "corral-wg"]
            self.failing.pop(("wg", "show"), None)
        elif words == ("wg", "pubkey"):
            assert stdin == PRIVATE
        answers = {
            ("ip", "-j", "-d", "addr", "show"): json.dumps(self.links),
            ("ip", "-j", "-4", "route", "show"): json.dumps(self.routes),
            ("nft", "-j", "list", "chains"): json.dumps({"nftables": self._chains()}),
            ("wg", "genkey"): f"{PRIVATE}\n",
            ("wg", "pubkey"): f"{KEY_ONE}\n",
            ("wg", "show", "corral-wg", "dump"): f"{PRIVATE}\t{KEY_ONE}\t51820\toff\n",
        }
        return answers.get(words, "")

    def _chains(self) -> list[dict[str, Any]]:
        names = [line.split()[1] for line in self.rules.splitlines() if line.strip().startswith("chain version_")]
        return [
            {"chain": {"family": family, "table": "corral", "name": name}}
            for family, name in zip(("bridge", "ip"), names, strict=False)
        ]

    def changes(self) -> list[tuple[str, ...]]:
        """What was called to change something."""
        return [call for call in self.calls if "-j" not in call and call[:2] not in {("wg", "show"), ("wg", "pubkey")}]


def _link(index: int, name: str, kind: str, *addresses: str) -> dict[str, Any]:
    split = [address.split("/") for address in addresses]
    return {
        "ifindex": index,
        "ifname": name,
        "flags": ["UP"],
        "mtu": 1450,
        "linkinfo": {"info_kind": kind},
        "addr_info": [{"family": "inet", "local": one, "prefixlen": int(length)} for one, length in split],
    }


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch) -> Programs:
    made = Programs()
    monkeypatch.setattr(commands, "run", made.run)
    monkeypatch.setattr(netlink, "read_peer_mac", lambda index, nsid: GUEST.mac if (index, nsid) == (4, 0) else "")
    return made


@pytest.fixture
def network(tmp_path: Path) -> NetworkDevices:
    return NetworkDevices(tmp_path / "network")


def test_filters_are_in_force_before_the_port_is_plugged_in(programs: Programs, network: NetworkDevices):
    outcome = network.ensure(PLAIN, ENDPOINTS)
    calls = programs.changes()
    assert calls.index(("nft", "-f", "-")) < calls.index(("ip", "link", "set", "corral-vx", "master", "corral0"))
    assert outcome.guests == outcome.arrived == {GUEST}
    assert (outcome.unknown_ports, outcome.warning, outcome.conflict) == (0, "", "")
    assert ("bridge", "fdb", "replace", GUEST.mac, "dev", "veth1", "master", "static", "sticky") in calls
    assert f'"veth1" . {GUEST.mac} . {GUEST.address}' in programs.rules


def test_filters_that_are_in_force_are_left_alone(programs: Programs, network: NetworkDevices):
    network.ensure(PLAIN, ENDPOINTS)
    programs.calls.clear()
    network.ensure(PLAIN, ENDPOINTS)
    assert ("nft", "-f", "-") not in programs.calls
    programs.rules = ""  # somebody took them away
    network.ensure(PLAIN, ENDPOINTS)
    assert GUEST.mac in programs.rules


def test_without_a_bridge_the_service_address_is_made_and_guarded_first(programs: Programs, network: NetworkDevices):
    programs.links = programs.links[:2]
    outcome = network.ensure(PLAIN, None)
    assert not outcome.has_bridge
    address = ("ip", "addr", "add", "169.254.169.250/32", "dev", "lo", "scope", "host")
    assert programs.changes() == [("nft", "-f", "-"), address]
    assert "ip daddr 169.254.169.250 jump service" in programs.rules


def test_a_bridge_with_another_address_is_refused(programs: Programs, network: NetworkDevices):
    programs.links[2] = _link(3, "corral0", "bridge", "10.99.0.1/16")
    with pytest.raises(CommandFailed, match=r"network corral has the address 10\.99\.0\.1/16 instead of 10\.42"):
        network.ensure(PLAIN, ENDPOINTS)


def test_a_port_whose_container_is_not_known_waits(programs: Programs, network: NetworkDevices):
    outcome = network.ensure(PLAIN, {})
    assert (outcome.guests, outcome.unknown_ports) == (frozenset(), 1)
    assert 'elements = { "veth1" }' in programs.rules


def test_without_the_engine_the_document_says_who_is_there(programs: Programs, network: NetworkDevices):
    assert network.ensure(PLAIN, None).guests == {GUEST}
    nobody = parse_document(plain_document(containers=[]))
    assert network.ensure(nobody, None).guests == {GUEST}  # known before
    assert network.ensure(nobody, {}).guests == frozenset()  # the engine says it is gone
    assert programs.rules


def test_without_nft_the_network_works_and_says_what_is_missing(programs: Programs, network: NetworkDevices):
    programs.failing[("nft",)] = ProgramMissing("nft")
    assert "install the package nftables" in network.ensure(PLAIN, ENDPOINTS).warning
    policed = parse_document(plain_document(policy={"mode": "stack"}))
    with pytest.raises(CommandFailed, match="the network policy cannot be enforced: the program nft is missing"):
        network.ensure(policed, ENDPOINTS)


def test_a_key_is_made_once_and_kept_for_its_owner(programs: Programs, network: NetworkDevices, tmp_path: Path):
    network.ensure(ENCRYPTED, ENDPOINTS)
    key = tmp_path / "network" / "wireguard.key"
    assert key.read_text() == f"{PRIVATE}\n"
    assert key.stat().st_mode & 0o777 == 0o600
    assert network.public_key == KEY_ONE
    again = NetworkDevices(tmp_path / "network")
    again.ensure(ENCRYPTED, ENDPOINTS)
    assert programs.calls.count(("wg", "genkey")) == 1
    assert again.public_key == KEY_ONE
    assert not [call for call in programs.calls if PRIVATE in call]


def test_without_the_module_the_program_is_started(programs: Programs, network: NetworkDevices):
    programs.failing[("ip", "link", "add", "corral-wg")] = CommandFailed("Unknown device type")
    network.ensure(ENCRYPTED, ENDPOINTS)
    calls = programs.changes()
    assert ("wireguard-go", "corral-wg") in calls
    assert [call for call in calls if call[:5] == ("wg", "set", "corral-wg", "peer", KEY_TWO)]


def test_without_either_the_remedy_is_named_and_nothing_is_sent_in_the_clear(
    programs: Programs, network: NetworkDevices
):
    programs.failing[("ip", "link", "add", "corral-wg")] = CommandFailed("Unknown device type")
    programs.failing[("wireguard-go",)] = ProgramMissing("wireguard-go")
    with pytest.raises(CommandFailed, match="install the package wireguard-go, or switch the encryption"):
        network.ensure(ENCRYPTED, ENDPOINTS)
    assert not [call for call in programs.changes() if call[:4] == ("ip", "link", "add", "corral-vx")]


@pytest.mark.parametrize(("kind", "complaint", "is_made_anew"), [
    ("tun", "wg show corral-wg dump: Unable to access interface: Protocol not supported", True),
    ("tun", "wg show corral-wg dump: timed out after 15 seconds", False),
    ("wireguard", "wg show corral-wg dump: Unable to access interface: Operation not permitted", False),
])  # fmt: skip
def test_a_device_whose_program_answers_somebody_else_is_made_anew(
    kind: str, complaint: str, is_made_anew: bool, programs: Programs, network: NetworkDevices
):
    """As after an agent on the machine itself, when the next one runs in a container."""
    programs.links.append(_link(8, "corral-wg", kind))
    programs.failing[("wg", "show")] = CommandFailed(complaint)
    if not is_made_anew:
        with pytest.raises(CommandFailed, match="wg show corral-wg dump"):
            network.ensure(ENCRYPTED, ENDPOINTS)
        assert ("ip", "link", "del", "corral-wg") not in programs.calls
        return
    network.ensure(ENCRYPTED, ENDPOINTS)
    calls = programs.changes()
    added = ("ip", "link", "add", "corral-wg", "type", "wireguard")
    assert calls.index(("ip", "link", "del", "corral-wg")) < calls.index(added)
    assert [call for call in calls if call[:5] == ("wg", "set", "corral-wg", "peer", KEY_TWO)]


def test_containers_that_keep_a_larger_mtu_are_said(programs: Programs, network: NetworkDevices):
    assert network.ensure(PLAIN, ENDPOINTS).warning == ""
    warning = network.ensure(ENCRYPTED, ENDPOINTS).warning
    assert warning.startswith(f"1 container that runs here has a larger MTU than the {ENCRYPTED.mtu} that fits now")
    assert "Evacuate the host once" in warning
    programs.links[3]["mtu"] = ENCRYPTED.mtu
    assert network.ensure(ENCRYPTED, ENDPOINTS).warning == ""


def test_a_route_elsewhere_is_found(programs: Programs, network: NetworkDevices):
    assert network.find_conflict(PLAIN) == ""
    programs.routes.append({"dst": "10.42.128.0/17", "dev": "vpn0"})
    assert network.find_conflict(PLAIN) == "10.42.128.0/17 via vpn0"
    assert network.ensure(PLAIN, ENDPOINTS).conflict == "10.42.128.0/17 via vpn0"


def test_a_key_that_cannot_be_kept_is_an_error(programs: Programs, tmp_path: Path):
    (tmp_path / "network").write_text("a file where the folder should be")
    with pytest.raises(CommandFailed, match="the key of this host cannot be kept in"):
        NetworkDevices(tmp_path / "network").ensure(ENCRYPTED, ENDPOINTS)
    assert programs.calls == [("wg", "genkey")]
