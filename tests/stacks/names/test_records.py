"""Which names lead where, against a plain reading of the rules."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.stacks.names.records import is_dns_name, render_records
from apps.stacks.names.values import EnvironmentNames, NamedContainer, NamedService, service_fqdn
from apps.stacks.names.views import host_documents
from corral_agent.names.document import parse_names
from corral_agent.names.zone import Zone

HOST, OTHER_HOST = 1, 2
NAMES = st.sampled_from(["web", "db", "a", "b-1", "Lab"])


@st.composite
def environments(draw: st.DrawFn) -> EnvironmentNames:
    keys = list(range(1, draw(st.integers(1, 6)) + 1))
    services, taken = [], set[tuple[str, str]]()
    for key in keys:
        name, stack = draw(st.tuples(NAMES, st.sampled_from(["lab", "other"])).filter(lambda each: each not in taken))
        taken.add((name, stack))
        kind = draw(st.sampled_from(["containers", "containers", "alias", "external"]))
        leads_out = draw(st.booleans())
        services.append(
            NamedService(
                key,
                name,
                stack,
                is_alias=kind == "alias",
                is_external=kind == "external",
                is_active=draw(st.booleans()),
                selected=draw(st.lists(st.integers(1, 8), max_size=2, unique=True)) if kind == "containers" else (),
                addresses=["192.0.2.7", "2001:db8::1"] if kind == "external" and not leads_out else (),
                hostname=f"out{key}.example.com" if kind == "external" and leads_out else "",
                links=draw(st.lists(st.tuples(NAMES, st.sampled_from(keys)), max_size=3, unique_by=lambda e: e[0])),
            )
        )
    containers = [
        NamedContainer(
            key,
            f"{draw(NAMES)}_{key}",
            draw(st.sampled_from(["", f"10.42.4.{key}", f"10.42.4.{key}"])),
            host=draw(st.sampled_from([HOST, OTHER_HOST])),
            is_healthy=draw(st.booleans()),
            service=draw(st.sampled_from([None, *keys])),
            sidekick=draw(st.sampled_from(["", "", "side"])),
            links=draw(st.dictionaries(st.sampled_from(["x", "y"]), st.integers(1, 8), max_size=2)),
        )
        for key in range(1, draw(st.integers(0, 8)) + 1)
    ]
    return EnvironmentNames(services, containers)


def plain_service(
    names: EnvironmentNames, service: NamedService, path: tuple[int, ...] = ()
) -> tuple[set[str], set[str]]:
    """The addresses and hostnames of a service, by walking every path of links."""
    if service.is_external:
        return (set(service.addresses), {service.hostname} - {""}) if service.is_active else (set(), set())
    if not service.is_alias:
        mine = [each for each in names.containers if each.address]
        mine = [
            each for each in mine if each.key in service.selected or (each.service == service.key and not each.sidekick)
        ]
        healthy = [each for each in mine if each.is_healthy]
        return {each.address for each in healthy or mine}, set()
    found: tuple[set[str], set[str]] = (set(), set())
    if not service.is_active:
        return found
    for _name, key in service.links:
        if key in path or key == service.key:
            continue
        target = next(each for each in names.services if each.key == key)
        addresses, hostnames = plain_service(names, target, (*path, service.key))
        found = found[0] | addresses, found[1] | hostnames
    return found


@given(environments())
def test_records_are_what_the_rules_say(names: EnvironmentNames):
    records = render_records(names)
    expected: dict[str, set[str]] = {}
    for container in names.containers:
        if container.address:
            expected[container.name.lower()] = {container.address}
    for service in names.services:
        addresses, hostnames = plain_service(names, service)
        if hostnames and not addresses:
            assert records.hostnames[service.record] in hostnames
        else:
            expected[service.record] = addresses
        sidekicks = [
            each for each in names.containers if each.service == service.key and each.sidekick and each.address
        ]
        if sidekicks:
            healthy = [each for each in sidekicks if each.is_healthy] or sidekicks
            expected[f"side.{service.record}"] = {each.address for each in healthy}
    assert {name: set(found) for name, found in records.addresses.items()} == expected
    assert not records.addresses.keys() & records.hostnames.keys()
    assert all(len(found) == len(set(found)) for found in records.addresses.values())
    assert list(records.addresses) == sorted(records.addresses)


@given(environments())
def test_the_agent_takes_every_document_and_resolves_every_link(names: EnvironmentNames):
    records = render_records(names)
    for host, document in host_documents(names, records, [HOST, OTHER_HOST]).items():
        zone = Zone(parse_names({**document, "version": 1}))
        here = {each.address for each in names.containers if each.host == host and each.address}
        assert set(document["views"]) == here
        for address, view in document["views"].items():
            for alias, record in view.get("links", {}).items():
                assert zone.meaning(alias, address).record == record
        for name, addresses in records.addresses.items():
            assert zone.addresses(zone.meaning(f"{name}.rancher.internal", "10.42.9.9").record) == tuple(addresses)


@given(environments(), st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_no_document(names: EnvironmentNames, chance: Any):
    services, containers = list(names.services), list(names.containers)
    chance.shuffle(services)
    chance.shuffle(containers)
    shuffled = EnvironmentNames(services, containers)
    assert render_records(shuffled) == render_records(names)
    documents = host_documents(shuffled, render_records(shuffled), [HOST])
    assert documents == host_documents(names, render_records(names), [HOST])


def test_aliases_in_a_circle_lead_to_what_else_is_in_it():
    """A selector may close one when somebody changes a label: each alias is followed once."""
    names = EnvironmentNames(
        services=[
            NamedService(1, "web", "lab"),
            NamedService(2, "one", "lab", is_alias=True, links=[("two", 3), ("one", 2)]),
            NamedService(3, "two", "lab", is_alias=True, links=[("one", 2), ("web", 1)]),
            NamedService(4, "lost", "lab", is_alias=True, links=[("last", 5)]),
            NamedService(5, "last", "lab", is_alias=True, links=[("lost", 4)]),
        ],
        containers=[NamedContainer(11, "lab_web_1", "10.42.4.10", HOST, service=1)],
    )
    found = render_records(names).addresses
    assert found["one.lab"] == found["two.lab"] == found["web.lab"] == ["10.42.4.10"]
    assert found["lost.lab"] == found["last.lab"] == []


def test_what_a_stack_looks_like():
    names = EnvironmentNames(
        services=[
            NamedService(1, "web", "Lab", links=[("mydb", 2), ("", 4), ("gone", 99)]),
            NamedService(2, "db", "data"),
            NamedService(3, "both", "lab", is_alias=True, links=[("a", 1), ("b", 2), ("c", 3)]),
            NamedService(4, "out", "lab", is_external=True, hostname="db.example.com"),
            NamedService(5, "alias-out", "lab", is_alias=True, links=[("x", 4)]),
        ],
        containers=[
            NamedContainer(11, "Lab_web_1", "10.42.4.10", HOST, service=1),
            NamedContainer(12, "Lab_web_2", "10.42.4.9", HOST, service=1, is_healthy=False),
            NamedContainer(13, "Lab_web_side_1", "10.42.4.11", HOST, service=1, sidekick="side"),
            NamedContainer(14, "data_db_1", "10.42.4.12", OTHER_HOST, service=2, is_healthy=False),
            NamedContainer(15, "solo", "10.42.4.13", HOST, links={"base": 14, "nobody": 99}),
            NamedContainer(16, "agent", "", HOST, service=1, asks_as_host=True),
        ],
    )
    records = render_records(names)
    assert records.addresses == {
        "both.lab": ["10.42.4.10", "10.42.4.12"],
        "data_db_1": ["10.42.4.12"],
        "db.data": ["10.42.4.12"],  # none is healthy: all
        "lab_web_1": ["10.42.4.10"],
        "lab_web_2": ["10.42.4.9"],
        "lab_web_side_1": ["10.42.4.11"],
        "side.web.lab": ["10.42.4.11"],
        "solo": ["10.42.4.13"],
        "web.lab": ["10.42.4.10"],
    }
    assert records.hostnames == {"out.lab": "db.example.com", "alias-out.lab": "db.example.com"}
    document = host_documents(names, records, [HOST])[HOST]
    view = {"search": ["lab", "web.lab", ""], "links": {"mydb": "db.data", "out": "out.lab"}}
    assert document["hostNetwork"] == view
    assert document["views"] == {
        "10.42.4.9": view,
        "10.42.4.10": view,
        "10.42.4.11": view,
        "10.42.4.13": {"search": [""], "links": {"base": "data_db_1"}},
    }
    assert service_fqdn("Web", "Lab") == "web.lab.rancher.internal"


def test_a_healthy_container_without_an_address_does_not_stand_for_one_that_has_one():
    names = EnvironmentNames(
        services=[NamedService(1, "web", "lab", selected=[2])],
        containers=[
            NamedContainer(1, "lab_web_1", "10.42.4.1", HOST, service=1, is_healthy=False),
            NamedContainer(2, "other", "", HOST),
        ],
    )
    assert render_records(names).addresses["web.lab"] == ["10.42.4.1"]


def test_members_that_share_an_address_share_a_view_and_the_primarys_names_go_first():
    names = EnvironmentNames(
        services=[NamedService(1, "web", "lab", links=[("db", 2)]), NamedService(2, "db", "lab")],
        containers=[
            NamedContainer(1, "lab_web_side_1", "10.42.4.1", HOST, service=1, sidekick="side", links={"db": 2}),
            NamedContainer(2, "lab_web_1", "10.42.4.1", HOST, service=1),
        ],
    )
    document = host_documents(names, render_records(names), [HOST])[HOST]
    assert document["views"] == {"10.42.4.1": {"search": ["lab", "web.lab", ""], "links": {"db": "db.lab"}}}


def test_the_longest_names_and_lists_are_taken_by_the_agent():
    longest = ".".join(["a" * 62] * 4) + "."  # as an external service may have it
    services = [NamedService(key, f"s{key}", "lab", links=[("out", 1)]) for key in range(2, 1_500)]
    services += [
        NamedService(1, "out", "lab", is_external=True, hostname=longest),
        NamedService(2_000, "all", "lab", links=[(f"l{key}", key) for key in range(2, 1_500)]),
        NamedService(2_001, "v6", "lab", is_external=True, addresses=["fe80::1%eth0", "2001:db8::7"]),
    ]
    containers = [
        NamedContainer(
            key, f"c{key}", f"10.42.{key // 250}.{key % 250}", HOST if key == 1 else OTHER_HOST, service=2_000
        )
        for key in range(6_000)
    ]
    names = EnvironmentNames(services, containers)
    document = host_documents(names, render_records(names), [HOST])[HOST]
    found = parse_names({**document, "version": 1})
    assert found.externals["out.lab"] == longest.removesuffix(".")
    assert len(found.records["all.lab"]) == 6_000
    assert len(found.views["10.42.0.1"].links) == 1_498


@pytest.mark.parametrize("name", ["", "a..b", ".a", "a.", "a b", "ä", "a" * 64, ".".join(["a" * 60] * 4), "a\n"])
def test_what_no_resolver_can_ask_for_is_left_out(name: str):
    assert not is_dns_name(name)
    names = EnvironmentNames(containers=[NamedContainer(1, name, "10.42.4.1")])
    assert render_records(names).addresses == {}
