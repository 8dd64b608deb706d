"""The policy as it is read from the tables and sent to hosts: whole, in few queries, anew when something changed."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.containers.models import Container
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.network.addresses import Claim, claim_address, release_address
from apps.network.document import NetworkDocumentSource
from apps.network.hosts import ensure_host_network
from apps.network.services import network_update
from apps.stacks.models import Service, ServiceLink, ServiceMember, Stack
from corral_agent.network.document import parse_document


class Place:
    """An environment with a host that has an agent, filled without the loop."""

    def __init__(self, lab: Environment, actor: Any) -> None:
        self.lab, self.actor = lab, actor
        self.stack = self.new_stack("shop")
        self.host = Host.all_objects.create(
            environment=lab, name="h1", url=f"agent://{uuid.uuid4()}", address="192.0.2.11", desired="active",
            state="active",
        )  # fmt: skip
        ensure_host_network(self.host)
        self.source = NetworkDocumentSource()

    def new_stack(self, name: str) -> Stack:
        return Stack.all_objects.create(environment=self.lab, name=name, desired="active", state="active")

    def service(self, name: str, **columns: Any) -> Service:
        return Service.all_objects.create(
            environment=self.lab, name=name, **{"stack": self.stack, "desired": "active", "state": "active", **columns}
        )

    def box(self, name: str, service: Service | None = None, **columns: Any) -> tuple[Container, str]:
        row = Container.all_objects.create(
            environment=self.lab, name=name, spread_key=str(service.uuid) if service else "", desired="running",
            state="running", host=self.host, **columns,
        )  # fmt: skip
        return row, claim_address(Claim(self.lab.pk, row.pk, row.uuid, self.host.pk)).address

    def choose(self, policy: str) -> None:
        network_update(self.lab, actor=self.actor, policy=policy)

    def version(self) -> str:
        return self.source.versions()[self.host.pk]

    def policy(self) -> dict[str, Any]:
        self.source.versions()
        document = self.source.build(self.host.pk)
        parse_document(json.loads(json.dumps({**document, "version": 1})))
        found: dict[str, Any] = document["policy"]
        return found


@pytest.fixture
def place(lab: Environment, actor_of: Callable[..., Any]) -> Place:
    return Place(lab, actor_of("alice"))


def test_links_selectors_and_links_of_containers_are_in_it(place: Place):
    web, db = place.service("web"), place.service("db")
    alias = place.service("all", kind="dnsService")
    ServiceLink.objects.create(service=web, target=alias, name="all")
    ServiceLink.objects.create(service=alias, target=db, name="db")
    (_front, a), (_data, b) = place.box("web1", web), place.box("db1", db)
    lent, c = place.box("lent")
    ServiceMember.objects.create(service=db, container=lent, managed=False)
    _solo, d = place.box("solo", spec={"instance_links": {"base": f"1i{lent.pk}"}})
    assert place.policy() == {"mode": "all"}
    place.choose("linked")
    policy = place.policy()
    group = policy["groups"]
    assert set(group) == {a, b, c, d}
    pairs = {(group[a], group[b]), (group[a], group[c]), (group[b], group[c]), (group[d], group[c])}
    assert {tuple(pair) for pair in policy["allowed"]} == pairs
    place.choose("stack")
    policy = place.policy()
    assert [set(stack) for stack in policy["stacks"]] == [{policy["groups"][a], policy["groups"][b]}]
    place.choose("all")
    assert place.policy() == {"mode": "all"}


def test_whatever_changes_who_reaches_whom_is_another_version(place: Place):
    web, db, log = place.service("web"), place.service("db"), place.service("log")
    place.choose("linked")
    place.box("web1", web)
    place.box("db1", db)
    seen = [place.version()]

    def note() -> None:
        seen.append(place.version())

    first = ServiceLink.objects.create(service=web, target=db, name="db")
    note()
    second = ServiceLink.objects.create(service=log, target=log, name="log")
    box, _address = place.box("log1", log)
    note()
    ServiceLink.objects.filter(pk=first.pk).update(target=log)  # the two exchange their targets
    ServiceLink.objects.filter(pk=second.pk).update(target=db)
    note()
    first.delete()
    note()
    member = ServiceMember.objects.create(service=db, container=box, managed=False)
    note()
    member.delete()
    note()
    release_address(box.pk)
    note()
    place.choose("stack")
    note()
    assert all(before != after for before, after in pairwise(seen)), seen
    assert place.version() == seen[-1]


def test_what_concerns_nobody_s_reach_sends_nothing(place: Place):
    web = place.service("web")
    place.choose("linked")
    box, _address = place.box("web1", web)
    before = place.version()
    Container.all_objects.filter(pk=box.pk).update(generation=7, health="unhealthy")
    Service.all_objects.filter(pk=web.pk).update(generation=9, scale=3)
    assert place.version() == before


def test_the_queries_do_not_grow(place: Place):
    def queries() -> tuple[int, int, int]:
        with CaptureQueriesContext(connection) as changed:
            place.version()
        with CaptureQueriesContext(connection) as unchanged:
            place.version()
        with CaptureQueriesContext(connection) as built:
            place.source.build(place.host.pk)
        return len(changed), len(unchanged), len(built)

    place.choose("linked")
    web = place.service("web")
    place.box("web0", web)
    few = queries()
    for number in range(1, 30):
        each = place.service(f"s{number}", stack=place.new_stack(f"t{number}"))
        ServiceLink.objects.create(service=web, target=each, name=each.name)
        place.box(f"s{number}", each)
    assert queries() == few == (11, 5, 4)


def test_a_service_that_is_being_removed_keeps_its_reach_until_its_containers_are_gone(place: Place):
    web, db = place.service("web", desired="removed"), place.service("db")
    ServiceLink.objects.create(service=web, target=db, name="db")
    place.box("web1", web)
    place.box("db1", db)
    place.choose("linked")
    assert len(place.policy()["allowed"]) == 1
