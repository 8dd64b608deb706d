"""The document that hosts get of their network: whole, in few queries, and taken by real agents."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.network.addresses import Claim, claim_address
from apps.network.document import NetworkDocumentSource
from apps.network.hosts import NetworkWorkload, ensure_host_network
from apps.network.models import EnvironmentNetwork, HostNetwork
from apps.network.reports import HostReport
from corral_agent.network.document import parse_document
from corral_agent.simulated.network import SimulatedNetworkHandler
from tests.network.joined_hosts import add_host, key

SOURCE = NetworkDocumentSource()


@pytest.fixture
def report(lab: Environment) -> Callable[..., None]:
    def report(host: Host, **status: Any) -> None:
        SOURCE.on_status(host.pk, {"state": "active", "reason": "", "publicKey": key(host.pk), "peers": {}, **status})

    return report


def test_two_hosts_know_each_other_once_their_keys_are_known(lab: Environment, report: Any):
    first, second = add_host(lab, 1), add_host(lab, 2)
    assert SOURCE.build(first.pk)["peers"] == []
    report(second)
    claim_address(Claim(lab.pk, 1, uuid4(), second.pk))
    network = EnvironmentNetwork.objects.get(pk=lab.pk)
    document = SOURCE.build(first.pk)
    assert document == {
        "environment": str(lab.uuid),
        "subnet": "10.42.0.0/16",
        "gateway": "10.42.0.1",
        "network": "corral",
        "bridge": "corral0",
        "port": "corral-vx",
        "vni": network.vni,
        "udpPort": 4789,
        "mtu": 1370,
        "encryption": "wireguard",
        "address": "192.168.0.1",
        "wireguard": {"port": 51820, "address": "10.43.0.1/16"},
        "peers": [
            {
                "host": str(second.uuid),
                "name": "h2",
                "address": "192.168.0.2",
                "publicKey": key(second.pk),
                "tunnelAddress": "10.43.0.2",
                "gateway": "10.42.0.2",
            }
        ],
        "containers": [{"address": "10.42.4.0", "mac": "02:42:0a:2a:04:00"}],
        "policy": {"mode": "all"},
    }
    parse_document(json.loads(json.dumps({**document, "version": 1})))


@pytest.mark.parametrize("encryption", ["wireguard", "none"])
def test_agents_take_the_document_of_every_host(lab: Environment, report: Any, encryption: str):
    EnvironmentNetwork.objects.filter(pk=lab.pk).update(encryption=encryption)
    hosts = [add_host(lab, number) for number in range(1, 4)]
    add_host(lab, 4, address="192.168.0.1")  # as when somebody typed it wrong
    for host in hosts:
        report(host)
    for host in hosts:
        assert len(parse_document({**SOURCE.build(host.pk), "version": 1}).peers) == 2


def test_the_queries_do_not_grow_with_the_hosts(lab: Environment, report: Any):
    def queries() -> tuple[int, int]:
        with CaptureQueriesContext(
            connection,
        ) as of_versions:
            SOURCE.versions()
        with CaptureQueriesContext(connection) as of_build:
            SOURCE.build(first.pk)
        return len(of_versions), len(of_build)

    first = add_host(lab, 1)
    report(first)
    few = queries()
    for number in range(2, 51):
        report(add_host(lab, number))
        claim_address(Claim(lab.pk, number, uuid4(), first.pk))
    assert queries() == few == (1, 4)
    assert len(SOURCE.build(first.pk)["peers"]) == 49


def test_whatever_hosts_have_to_know_is_another_version(lab: Environment, report: Any):
    first, second = add_host(lab, 1), add_host(lab, 2)
    seen = [SOURCE.versions()[first.pk]]

    def note() -> None:
        seen.append(SOURCE.versions()[first.pk])

    report(second)
    note()
    claim_address(Claim(lab.pk, 1, uuid4(), second.pk))
    note()
    Host.all_objects.filter(pk=second.pk).update(address="192.168.0.9")
    ensure_host_network(Host.all_objects.get(pk=second.pk))
    note()
    report(second, state="off", reason="CORRAL_NETWORK=off")
    note()
    assert SOURCE.build(first.pk)["peers"] == []
    NetworkWorkload().on_host_removed(second)
    note()
    add_host(lab, 3)
    note()
    assert len(set(seen)) == len(seen)
    assert HostNetwork.objects.get(host__name="h3").number == 2
    before = seen[-1]
    report(first, peers={str(second.uuid): {"reachable": True, "received": 5}})
    report(first, peers={str(second.uuid): {"reachable": True, "received": 6}})
    assert SOURCE.versions()[first.pk] != before  # its key was news
    before = SOURCE.versions()[first.pk]
    report(first, peers={str(second.uuid): {"reachable": False, "received": 7}})
    assert SOURCE.versions()[first.pk] == before


def test_a_host_that_left_and_one_without_an_address_get_none(lab: Environment):
    host = add_host(lab, 1, address="h1.example.com")
    part = HostNetwork.objects.get(pk=host.pk)
    assert (SOURCE.versions(), SOURCE.build(host.pk), part.state) == ({}, {}, "error")
    assert "'h1.example.com' is not an IPv4 address. Set its address" in part.reason
    Host.all_objects.filter(pk=host.pk).update(address="192.168.0.1")
    assert ensure_host_network(Host.all_objects.get(pk=host.pk)).state == "starting"
    assert list(SOURCE.versions()) == [host.pk]


def test_an_agent_that_does_not_take_it_is_known_with_the_reason(lab: Environment):
    host = add_host(lab, 1)
    SOURCE.on_unsupported(host.pk, "The agent of this host is too old: update it.")
    part = HostNetwork.objects.get(pk=host.pk)
    assert (part.state, part.reason) == ("off", "The agent of this host is too old: update it.")
    SOURCE.on_unsupported(0, "Gone.")
    SOURCE.on_status(0, {"state": "active"})


def test_a_simulated_agent_takes_part(lab: Environment):
    first, second = add_host(lab, 1), add_host(lab, 2)
    handlers = {host: SimulatedNetworkHandler(str(host.pk)) for host in (first, second)}
    for _ in range(2):
        for host, handler in handlers.items():
            handler.apply(SOURCE.build(host.pk))
            SOURCE.on_status(host.pk, handler.status())
    parts = list(HostNetwork.objects.filter(environment=lab))
    assert [part.state for part in parts] == ["active", "active"]
    assert parts[0].peers == {str(second.uuid): {"handshakeAgeSeconds": 1, "received": 0, "sent": 0, "reachable": True}}


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(JUNK, JUNK, JUNK, JUNK)
def test_a_report_may_hold_anything(reason: Any, public_key: Any, peers: Any, conflict: Any):
    status = {"state": "active", "reason": reason, "publicKey": public_key, "subnetConflict": conflict}
    for found in (peers, {"h": peers}, {"h": {"received": reason, "sent": conflict}}):
        report = HostReport.parse({**status, "peers": found})
        assert report is not None
        assert len(report.reason) <= 300
        assert len(report.public_key) in {0, 44}
        json.dumps(report.peers, allow_nan=False)
    assert HostReport.parse({**status, "state": reason}) is None


def test_what_hosts_see_of_each_other_is_not_read_for_the_document(lab: Environment, report: Any):
    first, second = add_host(lab, 1), add_host(lab, 2)
    report(first, peers={str(second.uuid): {"reachable": True}})
    report(second)
    with CaptureQueriesContext(connection) as made:
        SOURCE.versions()
        SOURCE.build(first.pk)
    assert not [query["sql"] for query in made if '"peers"' in query["sql"]]


def written(made: CaptureQueriesContext) -> list[str]:
    return [query["sql"] for query in made if query["sql"].startswith(("INSERT", "UPDATE", "DELETE"))]


def test_a_report_that_says_the_same_again_writes_nothing(lab: Environment, report: Any):
    first, second = add_host(lab, 1), add_host(lab, 2)
    peers = {str(second.uuid): {"reachable": True, "received": 1, "sent": 2}}
    report(first, peers=peers)
    with CaptureQueriesContext(connection) as made:
        report(first, peers=peers)
    assert written(made) == []
    more = {str(second.uuid): {"reachable": True, "received": 3, "sent": 2}}
    with CaptureQueriesContext(connection) as made:
        report(first, peers=more)
    assert len(written(made)) == 1
    assert HostNetwork.objects.get(pk=first.pk).peers == more


def test_a_scan_reads_nothing_of_what_a_host_sees_of_others(lab: Environment, report: Any):
    host = add_host(lab, 1)
    report(host)
    with CaptureQueriesContext(connection) as made:
        NetworkWorkload().on_host_scanned(host, [])
    assert len(made) == 1
    assert '"peers"' not in made[0]["sql"]
