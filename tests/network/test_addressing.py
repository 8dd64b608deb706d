"""How a managed network is divided, and which addresses come next."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.errors import Invalid
from apps.network.addressing import (
    AddressPlan,
    first_free,
    free_number,
    mac_of,
    parse_subnet,
    tunnel_address,
)

PLAN = AddressPlan.of("10.42.0.0/16")
SMALL = AddressPlan.of("10.1.0.0/22")


@st.composite
def plans(draw: st.DrawFn) -> AddressPlan:
    prefix = draw(st.integers(12, 22))
    base = draw(st.integers(0, 2**prefix // 2**8 - 1)) if prefix > 8 else 0
    network = int(IPv4Address("10.0.0.0")) + (base << (32 - prefix)) % 2**24
    return AddressPlan(IPv4Network((network >> (32 - prefix) << (32 - prefix), prefix)))


def test_the_usual_network_is_divided_as_documented():
    assert (PLAN.gateway(1), PLAN.gateway(1022)) == ("10.42.0.1", "10.42.3.254")
    assert PLAN.following("", 2) == ["10.42.4.0", "10.42.4.1"]
    assert (str(IPv4Address(PLAN.last)), PLAN.most_hosts) == ("10.42.255.254", 1022)


@given(plans(), st.integers(0, 2**32 - 1), st.integers(1, 300))
def test_what_follows_are_addresses_of_containers_one_after_the_other(plan: AddressPlan, after: int, count: int):
    found = plan.following(str(IPv4Address(after)), count)
    assert len(set(found)) == len(found) == min(count, plan.size)
    assert [plan.refusal(each) for each in found] == [""] * len(found)
    numbers = [int(IPv4Address(each)) for each in found]
    assert all(b == a + 1 or (a, b) == (plan.last, plan.first) for a, b in pairwise(numbers))


@given(st.integers(0, 767), st.sets(st.integers(0, 766)))
def test_the_first_free_one_is_found_wherever_the_search_begins(after: int, taken: set[int]):
    everything = [str(IPv4Address(SMALL.first + number)) for number in range(SMALL.size)]
    used = {everything[number] for number in taken}
    found = first_free(SMALL.following(everything[after % SMALL.size], SMALL.size), used)
    order = [everything[(after % SMALL.size + 1 + step) % SMALL.size] for step in range(SMALL.size)]
    assert found == next((each for each in order if each not in used), None)


@given(plans())
def test_gateways_and_containers_are_apart(plan: AddressPlan):
    last_gateway = int(IPv4Address(plan.gateway(plan.most_hosts)))
    assert last_gateway < plan.first <= plan.last
    assert plan.refusal(plan.gateway(1))


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("10.43.0.1", "is not in 10.42.0.0/16"),
        ("10.42.0.7", "kept for the gateways"),
        ("10.42.255.255", "broadcast"),
        ("web", "is not an IPv4 address"),
        ("10.42.4.1", ""),
    ],
)
def test_an_address_that_nobody_can_have_is_refused_with_the_reason(address: str, why: str):
    assert why in PLAN.refusal(address)
    assert bool(PLAN.refusal(address)) == bool(why)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("10.42.0.0", "is too small"),
        ("10.42.1.1/16", "is not an IPv4 network"),
        ("nonsense", "is not an IPv4 network"),
        ("fd00::/64", "is not an IPv4 network"),
        ("8.8.0.0/16", "is not a private network"),
        ("10.1.0.0/23", "is too small"),
        ("10.0.0.0/8", "larger than"),
        ("10.43.0.0/16", "inside their tunnels"),
        ("172.16.0.0/12", "default network of Docker"),
        ("192.168.0.0/16", "overlaps 192.168.7.0/24, which h1 reaches already"),
    ],
)
def test_a_subnet_that_cannot_be_is_refused_with_the_reason(text: str, why: str):
    with pytest.raises(Invalid, match=why) as refused:
        parse_subnet(text, {"h1": ["0.0.0.0/0", "192.168.7.0/24", "nonsense"]})
    assert refused.value.field == "subnet"


@pytest.mark.parametrize("text", ["10.42.0.0/16", " 10.200.0.0/22 ", "172.20.0.0/16", "100.64.0.0/12"])
def test_a_private_subnet_is_taken(text: str):
    assert parse_subnet(text) == text.strip()


def test_mac_and_tunnel_addresses_follow_from_addresses_and_numbers():
    assert mac_of("10.42.4.255") == "02:42:0a:2a:04:ff"
    assert (tunnel_address(3), tunnel_address(1022)) == ("10.43.0.3/16", "10.43.3.254/16")


@given(st.sets(st.integers(1, 8)))
def test_the_smallest_free_number_of_a_host(taken: set[int]):
    found = free_number(taken, 8)
    assert found == next((number for number in range(1, 9) if number not in taken), None)
