"""What is said to the kernel, to other hosts and to the engine, byte by byte."""

from __future__ import annotations

import socket
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corral_agent.network import commands, netlink
from corral_agent.network.announcements import arp_frame
from corral_agent.network.commands import CommandFailed, ProgramMissing
from corral_agent.network.document import parse_document
from corral_agent.network.engine_network import creation_body, is_as_wanted, parse_endpoints
from corral_agent.network.reachability import echo_request, is_reply
from tests.agent.network.documents import plain_document

MAC = "02:42:0a:2a:04:01"


def test_an_announcement_asks_everybody_for_its_own_address():
    frame = arp_frame("10.42.4.1", MAC)
    assert frame.hex() == ("ffffffffffff02420a2a04010806000108000604000102420a2a04010a2a04010000000000000a2a0401")


def attribute(name: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), name) + value + b"\x00" * (-len(value) % 4)


def link_message(*attributes: bytes, kind: int = 16) -> bytes:
    body = b"\x00" * 16 + b"".join(attributes)
    return struct.pack("=IHHII", 16 + len(body), kind, 0, 1, 0) + body


def test_the_address_of_a_device_is_found_among_its_attributes():
    address = attribute(1, bytes.fromhex("02420a2a0401"))
    assert netlink.parse_mac(link_message(attribute(3, b"eth0\x00"), address)) == MAC
    assert netlink.parse_mac(link_message(attribute(3, b"eth0\x00"))) == ""
    assert netlink.parse_mac(link_message(address, kind=2)) == ""


def test_the_number_of_a_namespace_is_found_among_its_attributes():
    head, number = struct.pack("=Bxxx", 0), attribute(1, struct.pack("=i", 7))
    whole = struct.pack("=IHHII", 20 + len(number), 88, 0, 1, 0) + head + number
    assert netlink.parse_namespace_id(whole) == 7
    assert netlink.parse_namespace_id(whole[:20]) == -1


@given(st.binary(max_size=80) | st.binary(max_size=40).map(link_message))
def test_no_message_is_too_odd(message: bytes):
    assert isinstance(netlink.parse_mac(message), str)
    assert isinstance(netlink.parse_namespace_id(message), int)


def test_loopback_is_no_link_of_a_container():
    index = socket.if_nametoindex("lo")
    assert netlink.read_peer_mac(index, 2**31 - 1) == ""  # there is no such namespace


def test_an_answer_to_an_echo_is_recognised_among_others():
    request = echo_request(0x1234)
    assert struct.unpack("!4H", request)[0] == 0x0800
    assert sum(struct.unpack("!4H", request)) % 0xFFFF == 0
    head = b"\x45" + b"\x00" * 19
    assert is_reply(head + b"\x00" + request[1:], 0x1234)
    assert not is_reply(head + b"\x00" + request[1:], 0x4321)
    assert not is_reply(head + request, 0x1234)


@given(st.binary(max_size=64), st.integers(0, 0xFFFF))
def test_no_packet_is_too_odd(packet: bytes, identity: int):
    assert is_reply(packet, identity) in {True, False}


def test_the_engine_makes_a_network_that_gives_no_address_by_itself():
    body = creation_body(parse_document(plain_document()))
    pool = {"Subnet": "10.42.0.0/16", "IPRange": "10.42.0.1/32", "Gateway": "10.42.0.1"}
    assert body["IPAM"] == {"Driver": "default", "Config": [pool]}
    assert body["Options"]["com.docker.network.bridge.name"] == "corral0"
    assert body["Options"]["com.docker.network.driver.mtu"] == "1450"


@pytest.mark.parametrize(
    ("changes", "is_wanted"),
    [({}, True), ({"mtu": 1370}, False), ({"gateway": "10.42.0.9"}, False), ({"bridge": "other0"}, False)],
)
def test_a_network_is_the_one_that_would_be_made(changes: dict[str, Any], is_wanted: bool):
    found = creation_body(parse_document(plain_document(**changes)))
    inspected = {"IPAM": {"Driver": "default", "Config": found["IPAM"]["Config"]}, "Options": found["Options"]}
    assert is_as_wanted(inspected, parse_document(plain_document())) is is_wanted


def test_nothing_is_removed_for_an_answer_that_is_not_understood():
    assert is_as_wanted(None, parse_document(plain_document()))


@pytest.mark.parametrize(
    ("found", "endpoints"),
    [
        ({"Containers": {"c": {"MacAddress": MAC.upper(), "IPv4Address": "10.42.4.1/16"}}}, {MAC: "10.42.4.1"}),
        ({"Containers": {"c": {"MacAddress": "", "IPv4Address": ""}, "d": 5}}, {}),
        ({"Containers": None}, {}),
        ({}, {}),
        ([], {}),
        (None, {}),
    ],
)
def test_who_is_connected_according_to_the_engine(found: Any, endpoints: dict[str, str]):
    assert parse_endpoints(found) == endpoints


def test_a_program_that_complains_is_quoted():
    with pytest.raises(CommandFailed, match=r"^ls /nowhere9: .*nowhere9"):
        commands.run(("ls", "/nowhere9"))


def test_a_program_that_is_missing_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(commands, "_PATH", "/nowhere")
    with pytest.raises(ProgramMissing, match="the program wg is missing: install the package wireguard-tools"):
        commands.run(("wg", "show"))


def test_a_program_that_does_not_end_is_given_up(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(commands, "_TIMEOUT", 0.01)
    with pytest.raises(CommandFailed, match=r"^sleep 5: .*timed out"):
        commands.run(("sleep", "5"))


def test_output_that_is_no_json(monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(CommandFailed, match="its output is not JSON"):
        commands.read_rows(("echo", "{"))
    assert commands.read_rows(("true",)) == []
    assert commands.read_object(("true",)) == {}
    assert commands.read_rows(("echo", '[{"a": 1}, 5]')) == [{"a": 1}]
