"""The document of names as it is read from the tables: whole, in a constant number of queries, when it changed."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.containers import managed_network
from apps.containers.models import Container
from apps.environments.models import Environment
from apps.hosts.documents.sources import sources
from apps.hosts.models import Host
from apps.stacks.models import Service, ServiceLink, ServiceMember, Stack
from apps.stacks.names.source import NamesSource
from apps.stacks.names.values import DOMAIN
from apps.stacks.sidekicks import PRIMARY


class Place:
    """An environment with hosts that have agents, filled without the loop."""

    def __init__(self, lab: Environment) -> None:
        self.lab = lab
        self.stack = Stack.all_objects.create(environment=lab, name="Shop", desired="active", state="active")
        self.host = self.add_host("h1", "192.0.2.11")
        self._addresses = iter(range(10, 250))
        self.source = NamesSource()

    def add_host(self, name: str, address: str, *, agent: bool = True, environment: Environment | None = None) -> Host:
        url = f"agent://{uuid.uuid4()}" if agent else f"sim://{name}"
        return Host.all_objects.create(
            environment=environment or self.lab, name=name, url=url, address=address, desired="active", state="active"
        )

    def service(self, name: str, **columns: Any) -> Service:
        return Service.all_objects.create(
            environment=self.lab, stack=self.stack, name=name, **{"desired": "active", "state": "active", **columns}
        )

    def container(
        self, name: str, service: Service | None = None, network: str = "corral", **columns: Any
    ) -> Container:
        address = f"10.42.4.{next(self._addresses)}"
        return Container.all_objects.create(
            environment=self.lab,
            name=name,
            observed_at=timezone.now(),
            **{
                "spread_key": str(service.uuid) if service else "",
                "desired": "running",
                "state": "running",
                "host": self.host,
                "address": address,
                "status": {"networks": {network: address if network != "host" else ""} if network else {}},
                **columns,
            },
        )

    def document(self, host: Host | None = None) -> dict[str, Any]:
        self.source.versions()
        return self.source.build((host or self.host).pk)

    def records(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = self.document()["records"]
        return found


@pytest.fixture
def place(lab: Environment) -> Place:
    return Place(lab)


def test_it_is_registered_under_the_domain_that_containers_search():
    assert isinstance(sources["names"], NamesSource)
    assert DOMAIN == managed_network.DOMAIN


def test_services_containers_sidekicks_and_links(place: Place):
    web, db = place.service("web"), place.service("db")
    out = place.service("out", kind="externalService", external={"addresses": ["192.0.2.9"]})
    alias = place.service("all", kind="dnsService")
    ServiceLink.objects.create(service=web, target=db, name="mydb")
    ServiceLink.objects.create(service=alias, target=db, name="db")
    ServiceLink.objects.create(service=alias, target=out, name="out")
    first = place.container("Shop_web_1", web, deployment_unit="u1", launch_name=PRIMARY)
    side = place.container("Shop_web_side_1", web, deployment_unit="u1", launch_name="side", network="")
    database = place.container("Shop_db_1", db)
    solo = place.container("solo", spec={"instance_links": {"base": f"1i{database.pk}"}})
    ServiceMember.objects.create(service=db, container=solo, managed=False)
    document = place.document()
    assert document["records"] == {
        "all.shop": ["10.42.4.12", "10.42.4.13", "192.0.2.9"],
        "db.shop": ["10.42.4.12", "10.42.4.13"],
        "out.shop": ["192.0.2.9"],
        "shop_db_1": [database.address],
        "shop_web_1": [first.address],
        "shop_web_side_1": [first.address],  # the network of its unit
        "side.web.shop": [first.address],
        "solo": [solo.address],
        "web.shop": [first.address],
    }
    assert side.address not in str(document)
    assert document["views"] == {
        first.address: {"search": ["shop", "web.shop", ""], "links": {"mydb": "db.shop"}},
        database.address: {"search": ["shop", "db.shop", ""]},
        solo.address: {"search": [""], "links": {"base": "shop_db_1"}},
    }


@pytest.mark.parametrize(
    ("columns", "is_there"),
    [
        ({}, True),
        ({"health": "healthy"}, True),
        ({"health": "unhealthy"}, False),
        ({"health": "initializing"}, False),
        ({"state": "stopped"}, False),
        ({"state": "starting"}, False),
        ({"desired": "stopped"}, False),
        ({"desired": "removed"}, False),
        ({"removed": timezone.now()}, False),
        ({"network": "bridge"}, False),
        ({"network": ""}, False),
    ],
)
def test_running_and_healthy_containers_serve(place: Place, columns: dict[str, Any], is_there: bool):
    web = place.service("web")
    well = place.container("Shop_web_1", web)
    other = place.container("Shop_web_2", web, **columns)
    assert (other.address in place.records()["web.shop"]) == is_there
    Container.all_objects.filter(pk=well.pk).update(state="stopped", observed_at=timezone.now())
    is_reachable = is_there or "health" in columns
    assert place.records()["web.shop"] == ([other.address] if is_reachable else [])


def test_a_lost_host_serves_nobody_but_one_that_only_reconnects_does(place: Place):
    web, far = place.service("web"), place.add_host("h2", "192.0.2.12")
    here = place.container("Shop_web_1", web)
    there = place.container("Shop_web_2", web, host=far)
    for state, expected in (
        ("active", [here.address, there.address]),
        ("reconnecting", [here.address, there.address]),
        ("disconnected", [here.address]),
    ):
        Host.all_objects.filter(pk=far.pk).update(state=state)
        assert place.records()["web.shop"] == expected


def test_containers_in_their_hosts_network_are_reached_there_and_have_its_view(place: Place):
    web = place.service("web")
    place.container("Shop_web_1", web, network="host")
    document = place.document()
    assert document["records"]["web.shop"] == ["192.0.2.11"]
    assert document["views"] == {}
    assert document["hostNetwork"] == {"search": ["shop", "web.shop", ""]}


def test_hosts_without_an_agent_and_other_environments(place: Place, people: Any):
    other = Environment.objects.create(name="Other", desired="active", state="active")
    place.add_host("local", "192.0.2.13", agent=False)
    theirs = place.add_host("theirs", "192.0.2.14", environment=other)
    place.container("solo")
    versions = place.source.versions()
    assert set(versions) == {place.host.pk, theirs.pk}
    assert place.source.build(theirs.pk)["records"] == {}
    Host.all_objects.filter(pk=theirs.pk).update(removed=timezone.now())
    assert set(place.source.versions()) == {place.host.pk}


def test_a_version_changes_with_what_it_says_and_with_nothing_else(place: Place):
    far = place.add_host("h2", "192.0.2.12")
    web, db = place.service("web"), place.service("db")
    row = place.container("Shop_web_1", web)
    before = dict(place.source.versions())
    Container.all_objects.filter(pk=row.pk).update(observed_at=timezone.now(), message="seen again")
    assert place.source.versions() == before
    ServiceLink.objects.create(service=web, target=db, name="mydb")  # a view of one host
    after = dict(place.source.versions())
    assert after[far.pk] == before[far.pk]
    assert after[place.host.pk] != before[place.host.pk]
    Container.all_objects.filter(pk=row.pk).update(health="unhealthy", observed_at=timezone.now())
    place.container("Shop_web_2", web)
    latest = place.source.versions()
    assert all(latest[key] != after[key] for key in latest)


def _queries(call: Any) -> int:
    with CaptureQueriesContext(
        connection,
    ) as found:
        call()
    return len(found)


def test_queries_do_not_grow_with_what_there_is(place: Place):
    for number in range(3):
        place.container(f"c{number}", place.service(f"s{number}"))
    few = _queries(place.source.versions)
    for number in range(3, 30):
        service = place.service(f"s{number}")
        ServiceLink.objects.create(service=service, target=place.service(f"t{number}"), name="x")
        place.container(f"c{number}", service)
        place.add_host(f"more{number}", f"192.0.2.{50 + number}")
    assert _queries(place.source.versions) == few
    assert _queries(place.source.versions) == 7  # nothing has changed: the hosts, and six counts
    assert _queries(lambda: place.source.build(place.host.pk)) == 0
