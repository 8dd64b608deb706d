"""A tenant's table refuses to be read until it is scoped to environments."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from django.db.models import Count

from apps.containers.models import Container
from apps.control.models import AuditEntry, Operation
from apps.core.models import UnscopedRead
from apps.environments.actor import Actor
from apps.environments.models import Environment
from apps.environments.services import environment_create
from apps.hosts.models import Host, RegistrationToken
from apps.stacks.models import Service, Stack
from apps.vault.models import Certificate

TABLES = [Certificate, Host, RegistrationToken, Container, Stack, Service, Operation, AuditEntry]


async def _one(rows: Any) -> list[Any]:
    return [row async for row in rows.aiterator()]


READS: dict[str, Callable[[Any], Any]] = {
    "list": list,
    "bool": bool,
    "len": len,
    "get": lambda rows: rows.get(pk=1),
    "first": lambda rows: rows.first(),
    "last": lambda rows: rows.last(),
    "slice": lambda rows: list(rows[:1]),
    "index": lambda rows: rows[0],
    "count": lambda rows: rows.count(),
    "exists": lambda rows: rows.exists(),
    "contains": lambda rows: rows.contains(rows.model(pk=1)),
    "iterator": lambda rows: list(rows.iterator()),
    "aiterator": lambda rows: asyncio.run(_one(rows)),
    "values": lambda rows: list(rows.values("pk")),
    "values_list": lambda rows: list(rows.values_list("pk", flat=True)),
    "aggregate": lambda rows: rows.aggregate(Count("pk")),
    "in_bulk": lambda rows: rows.in_bulk([1]),
    "earliest": lambda rows: rows.earliest("pk"),
    "chained": lambda rows: list(rows.exclude(pk=1).order_by("pk").distinct()),
    "or a scoped one": lambda rows: list(rows.within([1]) | rows),
    "or, the other way": lambda rows: list(rows | rows.within([1])),
    "xor": lambda rows: list(rows.within([1]) ^ rows),
    "union": lambda rows: list(rows.within([1]).union(rows)),
    "union, the other way": lambda rows: list(rows.union(rows.within([1]))),
    "get_or_create": lambda rows: rows.get_or_create(pk=1),
}


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_reading_without_saying_for_whom_raises(db: None, read: Callable[[Any], Any]):
    with pytest.raises(UnscopedRead, match="within"):
        read(Container.objects.all())


@pytest.mark.parametrize("model", TABLES, ids=lambda model: model.__name__)
def test_every_tenant_table_is_guarded(db: None, model: Any):
    with pytest.raises(UnscopedRead):
        list(model.objects.all())
    with pytest.raises(UnscopedRead):
        model.objects.count()
    assert list(model.objects.within([])) == []


@pytest.mark.parametrize("scoped", [False, True])
def test_nobody_writes_past_the_service(db: None, scoped: bool):
    rows = Container.objects.within([1]) if scoped else Container.objects.all()
    with pytest.raises(UnscopedRead, match="request_change"):
        rows.update(name="x")
    with pytest.raises(UnscopedRead, match="desired state"):
        rows.delete()
    with pytest.raises(UnscopedRead):
        rows.bulk_update([Container(pk=1, name="x")], ["name"])


def test_within_gives_what_is_inside_and_nothing_else(lab: Environment, actor_of: Callable[..., Actor]):
    other = environment_create(actor=actor_of("mallory"), name="Other")
    for environment in (lab, other):
        Container.all_objects.create(environment=environment, name=f"of {environment.name}", desired="running")
    assert [c.name for c in Container.objects.within([lab.pk])] == ["of Lab"]
    assert Container.objects.within([lab.pk, other.pk]).count() == 2
    assert Container.objects.within([]).exists() is False
    assert not Container.objects.within([lab.pk]).filter(environment=other).exists()
    selected = Environment.objects.filter(pk=lab.pk).values_list("pk", flat=True)
    assert [c.name for c in Container.objects.within(selected)] == ["of Lab"]


def test_a_scope_outlives_further_filters(lab: Environment):
    Container.all_objects.create(environment=lab, name="one", desired="running")
    rows = Container.objects.within([lab.pk])
    assert rows.filter(name="one").order_by("pk")[0].name == "one"
    assert rows.filter(name="one").values_list("name", flat=True).get() == "one"
    assert list(rows.iterator()) == list(rows)
    assert rows.aggregate(n=Count("pk")) == {"n": 1}


def test_a_second_scope_only_narrows(lab: Environment):
    Container.all_objects.create(environment=lab, name="one", desired="running")
    assert not Container.objects.within([lab.pk]).within([lab.pk + 1]).exists()


def test_the_loop_reads_everything(lab: Environment):
    Container.all_objects.create(environment=lab, name="one", desired="running")
    assert Container.all_objects.count() == 1
