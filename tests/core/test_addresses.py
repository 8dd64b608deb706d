"""Lists of networks, addresses in them, and who stands behind a proxy."""

from __future__ import annotations

import pytest

from apps.core.addresses import (
    MAX_ADDRESSES,
    client_behind_proxies,
    covers,
    is_public,
    is_within,
    parse_networks,
)
from apps.core.errors import Invalid


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        (["10.0.0.0/8"], ["10.0.0.0/8"]),
        (["10.1.2.3/8"], ["10.0.0.0/8"]),
        (["203.0.113.7"], ["203.0.113.7/32"]),
        (["2001:DB8::1"], ["2001:db8::1/128"]),
        ([" 2001:db8::/32 "], ["2001:db8::/32"]),
        (["10.0.0.1", "10.0.0.1/32"], ["10.0.0.1/32"]),
        ([], []),
    ],
)
def test_networks_are_kept_in_their_usual_form(given: list[str], stored: list[str]):
    assert parse_networks("addresses", given) == stored


@pytest.mark.parametrize("wrong", ["", "10.0.0", "10.0.0.0/33", "localhost", "10.0.0.1-10.0.0.9", None, 7.5, "::/129"])
def test_what_is_no_network_is_refused_with_a_remedy(wrong: object):
    with pytest.raises(Invalid, match="write it like") as refusal:
        parse_networks("addresses", [wrong])
    assert (refusal.value.field, refusal.value.code) == ("addresses", "InvalidFormat")


def test_too_many_networks_are_refused_as_one_list():
    fine = [f"10.0.0.{number}" for number in range(MAX_ADDRESSES)]
    assert len(parse_networks("addresses", fine)) == MAX_ADDRESSES
    with pytest.raises(Invalid, match="At most"):
        parse_networks("addresses", [*fine, "10.0.1.1"])


@pytest.mark.parametrize(
    ("address", "allowed", "answer"),
    [
        ("10.9.9.9", ["10.0.0.0/8"], True),
        ("11.0.0.1", ["10.0.0.0/8"], False),
        ("::ffff:10.9.9.9", ["10.0.0.0/8"], True),
        ("::ffff:11.9.9.9", ["10.0.0.0/8"], False),
        ("2001:db8::5", ["10.0.0.0/8", "2001:db8::/32"], True),
        ("2001:db9::5", ["2001:db8::/32"], False),
        ("fe80::1%eth0", ["fe80::/10"], True),
        ("10.0.0.1", [], False),
        ("", ["0.0.0.0/0"], False),
        ("somewhere", ["0.0.0.0/0", "::/0"], False),
        ("10.0.0.1", ["nonsense"], False),
        ("2001:db8::5", ["0.0.0.0/0"], False),
    ],
)
def test_an_address_is_in_the_list_or_not(address: str, allowed: list[str], *, answer: bool):
    assert is_within(address, allowed) is answer


@pytest.mark.parametrize(
    ("outer", "inner", "answer"),
    [
        (["10.0.0.0/8"], "10.1.0.0/16", True),
        (["10.0.0.0/8"], "10.0.0.0/8", True),
        (["10.1.0.0/16"], "10.0.0.0/8", False),
        (["2001:db8::/32", "10.0.0.0/8"], "2001:db8:1::/48", True),
        (["2001:db8::/32"], "10.0.0.1/32", False),
        ([], "10.0.0.1/32", False),
    ],
)
def test_a_network_lies_within_others_or_not(outer: list[str], inner: str, *, answer: bool):
    assert covers(outer, inner) is answer


@pytest.mark.parametrize(
    ("peer", "forwarded", "found"),
    [
        ("198.51.100.1", "", "198.51.100.1"),
        ("198.51.100.1", "10.0.0.1", "198.51.100.1"),
        ("192.0.2.1", "203.0.113.7", "203.0.113.7"),
        ("192.0.2.1", "9.9.9.9, 203.0.113.7", "203.0.113.7"),
        ("192.0.2.1", "203.0.113.7, 192.0.2.2", "203.0.113.7"),
        ("192.0.2.1", " , ", "192.0.2.1"),
        ("192.0.2.1", "x" * 200, "x" * 64),
        ("", "203.0.113.7", ""),
    ],
)
def test_only_trusted_proxies_say_for_whom_they_speak(peer: str, forwarded: str, found: str):
    assert client_behind_proxies(peer, forwarded, ["192.0.2.0/24"]) == found


@pytest.mark.parametrize(
    ("address", "answer"),
    [
        ("8.8.8.8", True), ("2606:4700::1111", True), ("::ffff:8.8.8.8", True), ("2002:808:808::1", True),
        ("10.1.2.3", False), ("127.0.0.1", False), ("169.254.169.254", False), ("100.64.0.1", False),
        ("224.0.0.1", False), ("240.0.0.1", False), ("::1", False), ("fe80::1%eth0", False), ("fd00::1", False),
        ("::ffff:10.1.2.3", False), ("2002:a01:203::1", False), ("64:ff9b::a01:203", False), ("ff0e::1", False),
    ],
)  # fmt: skip
def test_only_addresses_of_the_public_internet_are_public(address: str, *, answer: bool):
    assert is_public(address) is answer
