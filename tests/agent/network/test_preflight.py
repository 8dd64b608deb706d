"""The frames of the check between hosts, and what is concluded from those that were heard."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corral_agent.documents import DocumentRefused
from corral_agent.network.document import parse_document
from corral_agent.network.preflight import (
    SMALL,
    CheckDocument,
    Heard,
    Hello,
    decode_hello,
    encode_hello,
    overlapping_routes,
    parse_check,
    parse_received,
)
from tests.agent.network.documents import KEY_TWO, encrypted_document, plain_document

MAC = bytes.fromhex("02420a2a0001")
CHECK = CheckDocument(7, b"k" * 32, parse_document(plain_document()))
FROM_TWO = Hello("10.42.0.2", 3, 576, 1000.5)


def check_of(**changes: Any) -> dict[str, Any]:
    return {**plain_document(), "check": 7, "key": "6b" * 32, **changes}


def test_a_hello_arrives_as_it_was_sent():
    frame = encode_hello(CHECK, FROM_TWO, MAC)
    assert len(frame) == 14 + 576
    assert decode_hello(CHECK, frame) == FROM_TWO


@pytest.mark.parametrize("size", CHECK.sizes)
def test_every_length_that_is_sent_is_read(size: int):
    hello = Hello("10.42.0.3", 0, size, 0.0)
    assert decode_hello(CHECK, encode_hello(CHECK, hello, MAC)) == hello


def test_the_longest_is_as_long_as_packets_may_be():
    assert CHECK.sizes == (128, 576, 1000, 1280, 1450)
    assert CheckDocument(7, b"", parse_document(encrypted_document())).sizes[-1] == 1370
    assert CheckDocument(7, b"", parse_document(plain_document(mtu=900))).sizes == (128, 576, 900)


@pytest.mark.parametrize(
    "other",
    [
        CheckDocument(8, CHECK.key, CHECK.network),
        CheckDocument(7, b"other key, as long as the first ", CHECK.network),
    ],
)
def test_one_of_another_run_or_key_is_none(other: CheckDocument):
    assert decode_hello(CHECK, encode_hello(other, FROM_TWO, MAC)) is None


def test_one_of_a_host_that_is_no_part_of_it_is_none():
    assert decode_hello(CHECK, encode_hello(CHECK, Hello("10.42.0.9", 3, 576, 0.0), MAC)) is None


def test_one_that_was_cut_off_or_came_longer_is_none():
    frame = encode_hello(CHECK, FROM_TWO, MAC)
    assert decode_hello(CHECK, frame[:-1]) is None
    assert decode_hello(CHECK, frame + b"\0") is None


@given(st.binary(max_size=200), st.integers(0, 90))
def test_whatever_else_comes_is_none(noise: bytes, at: int):
    assert decode_hello(CHECK, noise) is None
    frame = bytearray(encode_hello(CHECK, FROM_TWO, MAC))
    if 12 <= at < 14 + 50:
        frame[at] ^= 0xFF
        assert decode_hello(CHECK, bytes(frame)) is None


def test_what_was_heard_is_counted_once_and_in_order():
    heard = Heard()
    for number in (4, 5, 5, 3, 8):
        heard.take(Hello("10.42.0.2", number, SMALL, 100.0), 100.25)
    assert heard.as_json()["sizes"] == {"128": 3}
    assert heard.as_json()["expected"] == 5  # 4 to 8
    assert heard.as_json()["clock"] == 0.25


def test_the_quickest_hello_says_most_of_the_clock():
    heard = Heard()
    for number, late in enumerate((0.9, 0.2, 0.5)):
        heard.take(Hello("10.42.0.2", number, SMALL, 100.0), 100.0 + late)
    assert heard.as_json()["clock"] == 0.2


def test_nothing_heard_is_nothing_expected():
    found = Heard().as_json()
    assert (found["sizes"], found["expected"], found["clock"], found["roundTrip"]) == ({}, 0, None, None)


@pytest.mark.parametrize(
    ("routes", "found"),
    [
        ([("10.42.0.0/16", "corral0")], []),
        ([("10.0.0.0/8", "eth1")], ["10.0.0.0/8 via eth1"]),
        (
            [("10.42.7.0/24", "docker0"), ("10.42.3.0/24", "br-1")],
            ["10.42.3.0/24 via br-1", "10.42.7.0/24 via docker0"],
        ),
        ([("default", "eth0"), ("not a route", "eth0"), ("192.168.0.0/24", "eth0")], []),
        ([("10.43.0.0/16", "eth0")], []),
    ],
)
def test_routes_into_the_network_that_lead_elsewhere_are_found(routes: list[tuple[str, str]], found: list[str]):
    assert overlapping_routes(CHECK.network, routes) == found


def test_the_tunnels_have_addresses_of_their_own():
    network = parse_document(encrypted_document())
    routes = [("10.43.0.0/16", "corral-wg"), ("10.43.9.0/24", "eth0")]
    assert overlapping_routes(network, routes) == ["10.43.9.0/24 via eth0"]


def test_what_wireguard_received_is_read_of_known_peers():
    text = f"{KEY_TWO}\t120\t99\nunknown\t7\t8\n{KEY_TWO}\tmany\t1\nshort\n"
    assert parse_received(text, {KEY_TWO}) == {KEY_TWO: 120}


def test_a_document_without_a_check_ends_it():
    assert parse_check({"check": 0}) is None


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"check": "7"}, "no number"),
        ({"check": True}, "no number"),
        ({"check": -1}, "no number"),
        ({"check": 2**63}, "no number"),
        ({"key": "zz"}, "hexadecimal"),
        ({"key": None}, "shorter than 16"),
        ({"key": "ab"}, "shorter than 16"),
        ({"throughput": 7}, "no object"),
        ({"throughput": {"host": "", "first": True, "bytes": 1, "seconds": 1}}, "names no host"),
        ({"throughput": {"host": "h2", "first": 1, "bytes": 1, "seconds": 1}}, "who is first"),
        ({"throughput": {"host": "h2", "first": True, "bytes": 2**40, "seconds": 1}}, "bytes"),
        ({"throughput": {"host": "h2", "first": True, "bytes": True, "seconds": 1}}, "bytes"),
        ({"throughput": {"host": "h2", "first": True, "bytes": 1, "seconds": 600}}, "seconds"),
    ],
)
def test_a_document_that_is_wrong_is_refused(changes: dict[str, Any], why: str):
    with pytest.raises(DocumentRefused, match=why):
        parse_check(check_of(**changes))


def test_what_is_to_be_measured_is_read():
    task = {"host": "h2", "first": True, "bytes": 1000, "seconds": 5}
    found = parse_check(check_of(throughput=task))
    assert found is not None
    assert found.throughput is not None
    assert (found.throughput.host, found.throughput.sends_first, found.throughput.most_bytes) == ("h2", True, 1000)
