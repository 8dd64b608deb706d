"""The document of the managed network is read strictly: whatever comes is a document or is refused by its field."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corral_agent.documents import DocumentRefused
from corral_agent.network.document import ManagedAddress, NetworkDocument, NetworkPolicy, WireGuard, parse_document
from tests.agent.network.documents import KEY_TWO, encrypted_document, plain_document

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from(["10.42.4.1"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)


def test_without_encryption_hosts_speak_at_their_own_addresses():
    found = parse_document(plain_document())
    assert found.wireguard is None
    assert found.local_address == "192.0.2.1"
    assert found.remote_addresses == {"192.0.2.2", "192.0.2.3"}
    assert found.bridge_address == "10.42.0.1/16"
    assert found.containers[1] == ManagedAddress("10.42.4.2", "02:42:0a:2a:04:02")
    assert found.policy == NetworkPolicy()


def test_with_encryption_only_hosts_whose_key_is_known_are_spoken_to():
    found = parse_document(encrypted_document())
    assert found.wireguard == WireGuard(51820, "10.43.0.1", 16)
    assert found.local_address == "10.43.0.1"
    assert found.remote_addresses == {"10.43.0.2"}
    assert [peer.public_key for peer in found.peers] == [KEY_TWO, ""]


def test_a_policy_has_groups_pairs_of_them_and_stacks():
    groups = {"10.42.4.1": 1, "10.42.4.2": 2}
    policy = {"mode": "stack", "groups": groups, "allowed": [[1, 2]], "stacks": [[1, 3], [2]]}
    found = parse_document(plain_document(policy=policy)).policy
    assert found == NetworkPolicy("stack", groups, frozenset({(1, 2)}), (frozenset({1, 3}), frozenset({2})))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"subnet": "10.42.0.1/16"}, "subnet: 10.42.0.1/16 has host bits set"),
        ({"subnet": None}, "subnet is missing"),
        ({"subnet": 5}, "subnet: it is not a text"),
        ({"gateway": "10.43.0.1"}, "gateway: 10.43.0.1 is outside 10.42.0.0/16"),
        ({"bridge": "corral0; reboot"}, "bridge: 'corral0; reboot' has another form"),
        ({"bridge": "-x"}, "bridge: '-x' has another form"),
        ({"port": "corral0"}, "port must not be the bridge's name"),
        ({"port": "a" * 16}, "port: "),
        ({"network": "../x"}, "network: '../x' has another form"),
        ({"vni": 0}, "vni: it is no number from 1 to 16777215"),
        ({"vni": True}, "vni: it is no number"),
        ({"udpPort": 65536}, "udpPort: it is no number from 1 to 65535"),
        ({"mtu": 10}, "mtu: it is no number"),
        ({"encryption": "ipsec"}, "encryption: it is none of wireguard, none"),
        ({"encryption": "wireguard"}, "wireguard is not an object"),
        ({"encryption": "wireguard", "wireguard": {"port": 1, "address": 7}}, "wireguard.address: it is not a text"),
        ({"address": "host"}, "address: "),
        ({"peers": {}}, "peers: it is no list of at most 1000 entries"),
        ({"peers": ["h2"]}, "peers[0] is not an object"),
        ({"peers": [{"host": "h2", "name": "n", "address": "::1"}]}, "peers[0].address: "),
        ({"containers": [{"address": "10.42.4.1", "mac": "02:42:0A:2A:04:01"}]}, "containers[0].mac: "),
        ({"containers": [{"address": "10.42.4.1", "mac": "02:42:0a:2a:04:01"}] * 2}, "10.42.4.1 is there twice"),
        ({"policy": []}, "policy is not an object"),
        ({"policy": {"mode": "none"}}, "policy.mode: it is none of all, linked, stack"),
        ({"policy": {"groups": {"10.42.4.1": 0}}}, "policy.groups: it is no number"),
        ({"policy": {"allowed": [[1]]}}, "policy.allowed: it is no list of pairs"),
        ({"policy": {"stacks": [1]}}, "policy.stacks: it is no list"),
        ({"policy": {"stacks": [[1, 0]]}}, "policy.stacks: it is no number"),
        ({"policy": {"stacks": [[1], [2, 1]]}}, "policy.stacks: a group is there twice"),
    ],
)
def test_what_is_refused_is_named(changes: dict[str, Any], reason: str):
    with pytest.raises(DocumentRefused) as refused:
        parse_document(plain_document(**changes))
    assert reason in str(refused.value)


@pytest.mark.parametrize("key", ["short", "!" * 44, "A" * 44, "A" * 40 + "===="])
def test_a_key_is_a_key(key: str):
    peers = [{"host": "h", "name": "n", "address": "192.0.2.2", "publicKey": key, "tunnelAddress": "10.43.0.2"}]
    with pytest.raises(DocumentRefused, match=r"peers\[0\].publicKey: it is no WireGuard key"):
        parse_document(encrypted_document(peers=peers))


@given(path=st.sampled_from(sorted(encrypted_document())), value=JSON)
def test_any_field_may_be_anything(path: str, value: object):
    _parse_or_refuse(encrypted_document(**{path: value}))


@given(
    inner=st.sampled_from(["peers", "containers"]),
    row=st.dictionaries(
        st.sampled_from(["host", "name", "address", "publicKey", "tunnelAddress", "gateway", "mac"]), JSON
    ),
)
def test_any_row_may_be_anything(inner: str, row: dict[str, Any]):
    _parse_or_refuse(encrypted_document(**{inner: [{**encrypted_document()[inner][0], **row}]}))


def _parse_or_refuse(document: dict[str, Any]) -> None:
    try:
        found = parse_document(document)
    except DocumentRefused:
        return
    assert isinstance(found, NetworkDocument)
