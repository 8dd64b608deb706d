"""The filters as text: what they are made of, when they are replaced, and whom a policy admits."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corral_agent.network.document import parse_document
from corral_agent.network.filters import FAMILIES, Guest, RuleSet, removal, render
from corral_agent.network.guests import assign, parse_guests
from corral_agent.service_address import REDIRECTS
from tests.agent.network.documents import encrypted_document, plain_document

ONE = Guest("veth1", "02:42:0a:2a:04:01", "10.42.4.1")
TWO = Guest("veth2", "02:42:0a:2a:04:02", "10.42.4.2")


def rules(guests: Any = (ONE,), ports: Any = ("veth1",), **changes: Any) -> RuleSet:
    return render(parse_document(plain_document(**changes)), ports, guests)


def chains(version: str, *families: str) -> dict[str, Any]:
    rows = [{"chain": {"family": family, "table": "corral", "name": version}} for family in families]
    return {"nftables": [{"metainfo": {}}, {"chain": {"family": "ip", "table": "nat", "name": "OUTPUT"}}, *rows]}


def test_a_container_has_its_port_and_addresses():
    text = rules().text
    assert (
        'set guests { type ifname . ether_addr . ipv4_addr; elements = { "veth1" . 02:42:0a:2a:04:01 . 10.42.4.1 }; }'
        in text
    )
    assert "iifname . ether saddr . ip saddr != @guests drop" in text
    assert "ip saddr 169.254.169.250 drop" in text
    assert "chain deliver" not in text


def test_all_is_replaced_in_one_transaction():
    text = rules().text
    for family in FAMILIES:
        begun = f"table {family} corral"
        assert text.index(f"{begun} {{ }}") < text.index(f"delete {begun}") < text.rindex(f"{begun} {{")
    assert removal().count("delete table") == 2


def test_it_is_in_force_when_every_table_is_of_its_version():
    made = rules()
    assert made.is_in_force(chains(made.version, *FAMILIES))
    assert not made.is_in_force(chains(made.version, "bridge"))
    assert not made.is_in_force(chains("version_0", *FAMILIES))
    assert not made.is_in_force({})


@pytest.mark.parametrize("changed", [
    rules((ONE, TWO), ("veth1", "veth2")), rules(ports=("veth1", "veth2")), rules(peers=[]), rules(vni=43),
    rules(policy={"mode": "stack"}), render(parse_document(encrypted_document()), ["veth1"], [ONE]),
])  # fmt: skip
def test_whatever_differs_has_another_version(changed: RuleSet):
    assert changed.version != rules().version
    assert changed.text != rules().text


def test_the_order_of_containers_is_no_difference():
    assert rules((TWO, ONE), ("veth2", "veth1")) == rules((ONE, TWO), ("veth1", "veth2"))


def test_foreign_frames_do_not_enter_the_tunnel():
    plain, encrypted = rules().text, render(parse_document(encrypted_document()), [], []).text
    assert "udp dport 4789 @th,96,24 42 ip saddr != @hosts drop" in plain
    assert "elements = { 192.0.2.2, 192.0.2.3 }" in plain
    assert 'udp dport 4789 @th,96,24 42 iifname != "corral-wg" drop' in encrypted
    assert 'udp dport 4789 @th,96,24 42 oifname != "corral-wg" drop' in encrypted


def test_the_service_address_is_for_this_host_and_its_containers():
    text = rules().text
    assert "ip daddr 169.254.169.250 jump service" in text
    chain = text.partition("chain service {")[2].partition("}")[0].split("\n")[1:-1]
    assert [line.split()[1] for line in chain[:2]] == ['"lo"', '"corral0"']
    assert {line.split()[-1] for line in chain[:-1]} == {"return"}
    assert chain[-1].split() == ["drop"]


@pytest.mark.parametrize(
    ("subnet", "gateway", "first"),
    [
        ("10.42.0.0/16", "10.42.0.1", "10.42.0.0/22"),
        ("10.42.0.0/22", "10.42.0.1", "10.42.0.0/24"),
        ("10.0.0.0/12", "10.0.0.1", "10.0.0.0/22"),
    ],
)
def test_hosts_reach_containers_whatever_the_policy(subnet: str, gateway: str, first: str):
    made = rules((), (), subnet=subnet, gateway=gateway, policy={"mode": "stack"}, containers=[], peers=[])
    assert f"ip saddr {first} accept" in made.text


GROUPS = {"10.42.4.1": 1, "10.42.4.2": 2, "10.42.4.9": 3}


def elements(text: str, name: str) -> str:
    """What is in a set of the filters."""
    (line,) = [line for line in text.splitlines() if line.split()[1:2] == [name] and "type" in line]
    return line.partition("elements = { ")[2].partition(" }")[0]


def test_a_policy_admits_its_group_and_those_that_may_open_connections():
    text = rules((ONE, TWO), policy={"mode": "linked", "groups": GROUPS, "allowed": [[3, 1]]}).text
    assert elements(text, "groups") == "10.42.4.1 : 1, 10.42.4.2 : 2, 10.42.4.9 : 3"
    assert elements(text, "admitted") == "10.42.4.1 . 1, 10.42.4.1 . 3, 10.42.4.2 . 2"
    assert elements(text, "answering") == ""


def test_who_is_linked_to_only_answers_unless_it_links_back():
    text = rules((ONE, TWO), policy={"mode": "linked", "groups": GROUPS, "allowed": [[1, 3]]}).text
    assert elements(text, "admitted") == "10.42.4.1 . 1, 10.42.4.2 . 2"
    assert elements(text, "answering") == "10.42.4.1 . 3"
    both = rules((ONE, TWO), policy={"mode": "linked", "groups": GROUPS, "allowed": [[1, 3], [3, 1]]}).text
    assert elements(both, "admitted") == "10.42.4.1 . 1, 10.42.4.1 . 3, 10.42.4.2 . 2"
    assert elements(both, "answering") == ""


def test_groups_of_one_stack_reach_each_other():
    text = rules((ONE, TWO), policy={"mode": "stack", "groups": GROUPS, "stacks": [[2], [1, 3]]}).text
    assert elements(text, "stacks") == "10.42.4.1 : 2, 10.42.4.2 : 1, 10.42.4.9 : 2"
    assert elements(text, "neighbors") == "10.42.4.1 . 2, 10.42.4.2 . 1"


# Who is behind which port

ADDRESSES = {ONE.mac: ONE.address, TWO.mac: TWO.address}


def test_a_port_belongs_to_whom_it_was_first_seen_with():
    first = assign(["veth1"], {"veth1": ONE.mac}, ADDRESSES, ())
    assert first == {ONE}
    assert assign(["veth1", "veth2"], {"veth2": ONE.mac}, ADDRESSES, first) == {ONE}  # it claims another's
    assert assign(["veth1", "veth2"], {"veth2": TWO.mac}, ADDRESSES, first) == {ONE, TWO}


def test_a_port_that_is_gone_frees_its_addresses():
    assert assign(["veth9"], {"veth9": ONE.mac}, ADDRESSES, [ONE]) == {Guest("veth9", ONE.mac, ONE.address)}


def test_only_addresses_that_were_given_count():
    assert assign(["veth1"], {"veth1": "02:42:0a:2a:04:77"}, ADDRESSES, ()) == frozenset()
    assert assign(["veth1"], {}, {ONE.mac: "10.42.4.99"}, [ONE]) == frozenset()


PORTS = st.sampled_from(["veth1", "veth2", "veth3"])
MACS = st.sampled_from([f"02:42:0a:2a:04:0{last}" for last in range(4)])


GUESTS = st.lists(
    st.builds(Guest, PORTS, MACS, st.sampled_from(["10.42.4.1", "10.42.4.2"])),
    max_size=3,
    unique_by=(lambda guest: guest.port, lambda guest: guest.mac),
)


@given(
    ports=st.sets(PORTS),
    macs=st.dictionaries(PORTS, MACS),
    addresses=st.dictionaries(MACS, st.just("10.42.4.1")),
    before=GUESTS,
)
def test_no_port_and_no_address_is_given_twice(
    ports: set[str], macs: dict[str, str], addresses: dict[str, str], before: list[Guest]
):
    found = assign(ports, macs, addresses, before)
    assert len({guest.port for guest in found}) == len({guest.mac for guest in found}) == len(found)
    assert {guest.port for guest in found} <= ports
    assert all(addresses.get(guest.mac) == guest.address for guest in found)
    assert {guest for guest in before if guest.port in ports and addresses.get(guest.mac) == guest.address} <= found


def test_those_of_the_agent_before_are_taken_over():
    listed = {"nftables": [{"metainfo": {}}, {"set": {"elem": [{"concat": [ONE.port, ONE.mac, ONE.address]}, "odd"]}}]}
    assert parse_guests(listed) == {ONE}
    assert parse_guests({}) == parse_guests({"nftables": [{"set": {}}]}) == frozenset()


def test_names_and_metadata_are_led_to_ports_that_no_container_publishes():
    text = rules().text
    for protocol, port, listening in REDIRECTS:
        assert f"{protocol} dport {port} dnat to 169.254.169.250:{listening}" in text
    for hook in ("prerouting", "output"):  # before the engine's, which are at -100
        assert f"type nat hook {hook} priority -110;" in text
    assert {port for _protocol, port, _listening in REDIRECTS} == {53, 80}
