"""Plans lead from what is there to what is wanted, and say nothing where nothing is to be done."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corral_agent.network import plan, wireguard
from corral_agent.network.document import NetworkDocument, parse_document
from corral_agent.network.found import (
    ForwardingEntry,
    Found,
    NetworkLink,
    conflicting_route,
    parse_addresses,
    parse_forwarding,
    parse_links,
    parse_routes,
)
from corral_agent.network.wireguard import FoundPeer, FoundWireGuard, parse_dump, plan_settings
from tests.agent.network.documents import KEY_ONE, KEY_TWO, encrypted_document, plain_document

PLAIN, ENCRYPTED = parse_document(plain_document()), parse_document(encrypted_document())
BRIDGE = NetworkLink(3, "corral0", "bridge", is_up=True, mtu=1500)
FLOOD = "00:00:00:00:00:00"


class Kernel:
    """Carries plans out in memory, as far as plans can see."""

    def __init__(self, *links: NetworkLink, addresses: dict[str, set[str]] | None = None) -> None:
        self.links = {link.name: link for link in links}
        self.addresses = addresses or {"eth0": {"192.0.2.1/24"}}
        self.forwarding: set[ForwardingEntry] = set()

    def found(self) -> Found:
        addresses = {name: frozenset(values) for name, values in self.addresses.items()}
        return Found(dict(self.links), addresses, frozenset(self.forwarding))

    def run(self, *step: str) -> None:
        match step:
            case ("ip", "addr", "add", address, "dev", device, *_):
                self.addresses.setdefault(device, set()).add(address)
            case ("ip", "addr", "del", address, "dev", device):
                self.addresses[device].remove(address)
            case ("ip", "link", "del", name):
                del self.links[name]
                self.addresses.pop(name, None)
                self.forwarding.clear()
            case ("ip", "link", "add", name, "type", "vxlan", "id", vni, "dstport", port, "learning", *rest):
                more = dict(zip(rest[::2], rest[1::2], strict=True))
                self.links[name] = NetworkLink(
                    9,
                    name,
                    "vxlan",
                    mtu=1500,
                    is_learning=True,
                    vni=int(vni),
                    udp_port=int(port),
                    local=more.get("local", ""),
                    lower=more.get("dev", ""),
                )
            case ("ip", "link", "set", name, *words):
                self._set(name, list(words))
            case ("bridge", "fdb", "append", mac, "dev", _, "dst", to):
                assert mac == FLOOD
                self.forwarding.add(ForwardingEntry("", to))
            case ("bridge", "fdb", "del", mac, "dev", _, "dst", to):
                self.forwarding.remove(ForwardingEntry("" if mac == FLOOD else mac, to))
            case _:
                raise AssertionError(step)

    def _set(self, name: str, words: list[str]) -> None:
        link = self.links[name]
        if "up" in words:
            link = replace(link, is_up=True)
        if "mtu" in words:
            link = replace(link, mtu=int(words[words.index("mtu") + 1]))
        if "master" in words:
            link = replace(link, master=words[words.index("master") + 1])
        self.links[name] = link

    def settle(self, document: NetworkDocument) -> list[plan.Step]:
        """Everything in the handler's order; the steps."""
        steps: list[plan.Step] = []
        steps += self._carry_out(plan.plan_service_address(self.found()))
        for each in (plan.plan_removal, plan.plan_tunnel_device, plan.plan_port):
            steps += self._carry_out(each(document, self.found()))
        return steps

    def _carry_out(self, steps: list[plan.Step]) -> list[plan.Step]:
        for step in steps:
            self.run(*step)
        return steps


def test_from_nothing_but_the_bridge():
    assert Kernel(BRIDGE).settle(PLAIN) == [
        ("ip", "addr", "add", "169.254.169.250/32", "dev", "lo", "scope", "host"),
        (
            *("ip", "link", "add", "corral-vx", "type", "vxlan", "id", "42", "dstport", "4789", "learning"),
            *("local", "192.0.2.1"),
        ),
        ("ip", "link", "set", "corral-vx", "mtu", "1450"),
        ("ip", "link", "set", "corral-vx", "master", "corral0"),
        ("ip", "link", "set", "corral-vx", "up"),
        ("bridge", "fdb", "append", FLOOD, "dev", "corral-vx", "dst", "192.0.2.2"),
        ("bridge", "fdb", "append", FLOOD, "dev", "corral-vx", "dst", "192.0.2.3"),
    ]


def test_with_encryption_the_port_speaks_through_the_tunnel():
    kernel = Kernel(BRIDGE, NetworkLink(8, wireguard.DEVICE, "wireguard"))
    steps = kernel.settle(ENCRYPTED)
    assert ("ip", "addr", "add", "10.43.0.1/16", "dev", "corral-wg") in steps
    assert ("ip", "link", "set", "corral-wg", "mtu", "1420", "up") in steps
    assert steps[-1] == ("bridge", "fdb", "append", FLOOD, "dev", "corral-vx", "dst", "10.43.0.2")
    port = kernel.links["corral-vx"]
    assert (port.local, port.lower, port.mtu) == ("10.43.0.1", "", 1370)


def test_what_is_sent_without_encryption_ends_before_anything_else_is_done():
    kernel = Kernel(BRIDGE)
    kernel.settle(PLAIN)
    assert plan.plan_removal(ENCRYPTED, kernel.found()) == [("ip", "link", "del", "corral-vx")]


def test_when_encryption_ends_so_does_its_device():
    kernel = Kernel(BRIDGE, NetworkLink(8, wireguard.DEVICE, "tun"))
    kernel.settle(ENCRYPTED)
    assert ("ip", "link", "del", "corral-wg") in kernel.settle(PLAIN)
    assert kernel.links["corral-vx"].local == "192.0.2.1"


def test_peers_that_left_are_forgotten_with_what_was_learned_of_them():
    kernel = Kernel(BRIDGE)
    kernel.settle(PLAIN)
    kernel.forwarding |= {
        ForwardingEntry("02:42:0a:2a:04:03", "192.0.2.3"),
        ForwardingEntry("02:42:0a:2a:04:02", "192.0.2.2"),
    }
    smaller = parse_document(plain_document(peers=plain_document()["peers"][:1]))
    kernel.settle(smaller)
    assert kernel.forwarding == {ForwardingEntry("", "192.0.2.2"), ForwardingEntry("02:42:0a:2a:04:02", "192.0.2.2")}


def test_running_containers_keep_their_longer_packets():
    cable = NetworkLink(5, "veth1", "veth", master="corral0", mtu=1450)
    kernel = Kernel(BRIDGE, cable, NetworkLink(8, wireguard.DEVICE, "wireguard"))
    kernel.settle(ENCRYPTED)
    assert kernel.links["corral-vx"].mtu == 1450


def test_an_address_that_others_know_but_the_host_has_not():
    kernel = Kernel(BRIDGE, addresses={"eth0": {"172.31.0.9/20"}})
    kernel.settle(PLAIN)
    assert kernel.links["corral-vx"].local == ""
    assert kernel.settle(PLAIN) == []


LINKS = st.builds(
    NetworkLink,
    index=st.just(9),
    name=st.just("corral-vx"),
    kind=st.sampled_from(["vxlan", "dummy"]),
    master=st.sampled_from(["", "corral0", "br-other"]),
    mtu=st.sampled_from([1370, 1450, 1500]),
    is_up=st.booleans(),
    is_learning=st.booleans(),
    vni=st.sampled_from([42, 43]),
    udp_port=st.sampled_from([4789, 8472]),
    local=st.sampled_from(["", "192.0.2.1", "10.43.0.1"]),
    lower=st.sampled_from(["", "corral-wg", "eth0"]),
)
ENTRIES = st.builds(
    ForwardingEntry,
    st.sampled_from(["", "02:42:0a:2a:04:02"]),
    st.sampled_from(["192.0.2.2", "192.0.2.9", "10.43.0.2"]),
)


@given(
    port=st.none() | LINKS,
    entries=st.sets(ENTRIES),
    document=st.sampled_from([PLAIN, ENCRYPTED]),
)
def test_whatever_is_there_one_round_is_enough(port: NetworkLink | None, entries: set[ForwardingEntry], document: Any):
    kernel = Kernel(BRIDGE, NetworkLink(8, wireguard.DEVICE, "wireguard"), *([port] if port else []))
    kernel.forwarding = set(entries) if port else set()
    kernel.settle(document)
    made = kernel.links["corral-vx"]
    assert (made.vni, made.udp_port, made.master, made.local) == (42, 4789, "corral0", document.local_address)
    assert made.is_up
    assert {each.destination for each in kernel.forwarding if not each.mac} == document.remote_addresses
    assert {each.destination for each in kernel.forwarding} <= document.remote_addresses
    assert kernel.settle(document) == []


# WireGuard


def settings(found: FoundWireGuard, document: NetworkDocument = ENCRYPTED, **more: Any) -> list[tuple[str, ...]]:
    return plan_settings(document, found, key_file="/k", public_key=KEY_ONE, now=1000.0, **more)


def peer(**changes: Any) -> FoundPeer:
    values = {"endpoint": "192.0.2.2:51820", "allowed": "10.43.0.2/32", "handshake": 990, "keepalive": 25}
    return FoundPeer(**{**values, **changes})


def test_a_new_device_gets_its_key_and_the_peers_whose_keys_are_known():
    assert settings(FoundWireGuard()) == [
        ("wg", "set", "corral-wg", "listen-port", "51820", "private-key", "/k"),
        (
            *("wg", "set", "corral-wg", "peer", KEY_TWO, "endpoint", "192.0.2.2:51820"),
            *("allowed-ips", "10.43.0.2/32", "persistent-keepalive", "25"),
        ),
    ]


@pytest.mark.parametrize(
    ("found", "moved", "words"),
    [
        (peer(), [], None),
        (peer(endpoint="203.0.113.9:4000"), [], None),  # behind NAT, and heard
        (peer(endpoint="203.0.113.9:4000"), ["h2"], ("endpoint", "192.0.2.2:51820")),
        (peer(endpoint="203.0.113.9:4000", handshake=700), [], ("endpoint", "192.0.2.2:51820")),
        (peer(endpoint="(none)", handshake=0), [], ("endpoint", "192.0.2.2:51820")),
        (peer(allowed="10.43.0.9/32"), [], ("allowed-ips", "10.43.0.2/32")),
        (peer(keepalive=0), [], ("persistent-keepalive", "25")),
    ],
)
def test_a_peer_is_changed_where_it_differs(found: FoundPeer, moved: list[str], words: tuple[str, ...] | None):
    device = FoundWireGuard(KEY_ONE, 51820, {KEY_TWO: found})
    wanted = [("wg", "set", "corral-wg", "peer", KEY_TWO, *words)] if words else []
    assert settings(device, moved=moved) == wanted


def test_a_peer_that_left_is_removed():
    device = FoundWireGuard(KEY_ONE, 51820, {KEY_TWO: peer(), "C" * 43 + "=": peer()})
    assert settings(device) == [("wg", "set", "corral-wg", "peer", "C" * 43 + "=", "remove")]


def test_the_dump_is_read_without_the_private_key():
    text = f"SECRET\t{KEY_ONE}\t51820\toff\n{KEY_TWO}\t(none)\t192.0.2.2:51820\t10.43.0.2/32\t990\t10\t20\t25\n"
    found = parse_dump(text)
    assert found == FoundWireGuard(KEY_ONE, 51820, {KEY_TWO: peer(received=10, sent=20)})
    assert "SECRET" not in repr(found)
    assert parse_dump("") == parse_dump("nonsense") == FoundWireGuard()


# What the programs print


def test_links_as_iproute2_shows_them():
    rows = [
        {"ifindex": 3, "ifname": "corral0", "flags": ["UP"], "mtu": 1500, "linkinfo": {"info_kind": "bridge"}},
        {
            "ifindex": 7,
            "ifname": "veth1",
            "link_index": 6,
            "link_netnsid": 0,
            "master": "corral0",
            "mtu": 1450,
            "flags": ["BROADCAST", "UP"],
            "linkinfo": {"info_kind": "veth", "info_slave_kind": "bridge"},
        },
        {
            "ifindex": 9,
            "ifname": "corral-vx",
            "flags": [],
            "mtu": 1450,
            "linkinfo": {
                "info_kind": "vxlan",
                "info_data": {"id": 42, "local": "10.43.0.1", "link": "corral-wg", "port": 4789, "learning": True},
            },
        },
        {"ifindex": 1, "ifname": "lo", "flags": ["LOOPBACK", "UP"], "mtu": 65536},
    ]
    links = parse_links(rows)
    assert links["veth1"] == NetworkLink(7, "veth1", "veth", "corral0", 1450, is_up=True, peer_index=6, peer_nsid=0)
    assert links["corral-vx"] == NetworkLink(
        *(9, "corral-vx", "vxlan", "", 1450),
        is_learning=True,
        vni=42,
        udp_port=4789,
        local="10.43.0.1",
        lower="corral-wg",
    )
    assert [link.name for link in Found(links).ports("corral0")] == ["veth1"]


def test_addresses_forwarding_and_routes():
    addresses: list[dict[str, Any]] = [
        {"ifname": "lo", "addr_info": [{"family": "inet", "local": "127.0.0.1", "prefixlen": 8}]},
        {"ifname": "eth9", "addr_info": [{"family": "inet6", "local": "::1", "prefixlen": 128}]},
        {"ifname": "x", "addr_info": []},
    ]
    assert parse_addresses(addresses) == {"lo": frozenset({"127.0.0.1/8"})}
    forwarding: list[dict[str, Any]] = [
        {"mac": "16:f3:06:41:e5:1d", "master": "corral0", "state": "permanent"},
        {"mac": FLOOD, "dst": "192.0.2.2", "flags": ["self"]},
        {"mac": "02:42:0a:2a:04:02", "dst": "192.0.2.2", "flags": ["self"]},
    ]
    expected = {ForwardingEntry("", "192.0.2.2"), ForwardingEntry("02:42:0a:2a:04:02", "192.0.2.2")}
    assert parse_forwarding(forwarding) == expected
    routes = parse_routes([{"dst": "default", "dev": "eth0"}, {"dst": "10.42.8.0/24", "dev": "vpn0"}])
    assert conflicting_route(Found(routes=routes), "10.42.0.0/16", "corral0") == "10.42.8.0/24 via vpn0"
    assert conflicting_route(Found(routes=routes), "10.44.0.0/16", "corral0") == ""
    assert conflicting_route(Found(routes=routes), "10.42.0.0/16", "vpn0") == ""
