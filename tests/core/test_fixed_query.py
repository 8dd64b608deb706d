"""Queries whose SQL is made once: they read what is there now, for the keys of each call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from django.db import connection
from django.db.models import Count, Max, QuerySet
from django.test.utils import CaptureQueriesContext

from apps.core.fixed_query import FixedQuery, _placed, _places
from apps.environments.models import Environment
from apps.hosts.models import Host


class Builder:
    """Makes a query, and counts how often."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, keys: Sequence[int]) -> QuerySet[Any, Any]:
        self.count += 1
        rows = Host.all_objects.filter(removed=None, environment__in=keys).order_by()
        return rows.values_list("environment").annotate(Count("pk"), Max("observed_at"))


def add_host(environment: Environment, name: str) -> Host:
    return Host.all_objects.create(environment=environment, name=name, url=f"sim://{name}", desired="active")


@pytest.fixture
def other(people: Any) -> Environment:
    return Environment.objects.create(name="Other", desired="active", state="active")


def test_the_rows_are_those_of_now_for_the_keys_of_each_call(lab: Environment, other: Environment):
    builder = Builder()
    query = FixedQuery(builder)
    add_host(lab, "h1")
    add_host(other, "h2")
    assert query.rows([lab.pk]) == [(lab.pk, 1, None)]
    add_host(other, "h3")
    assert query.rows([other.pk]) == [(other.pk, 2, None)]
    assert sorted(query.rows({lab.pk, other.pk})) == sorted([(lab.pk, 1, None), (other.pk, 2, None)])
    assert builder.count == 2, "once for one key, once for two"


def test_each_call_is_one_query_and_makes_no_other_sql(lab: Environment):
    builder = Builder()
    query = FixedQuery(builder)
    with CaptureQueriesContext(connection) as made:
        for _ in range(5):
            query.rows([lab.pk])
    assert (len(made), builder.count) == (5, 1)


def test_without_keys_there_are_no_rows_and_no_query(lab: Environment):
    add_host(lab, "h1")
    query = FixedQuery(Builder())
    with CaptureQueriesContext(connection) as made:
        assert query.rows([]) == query.rows([]) == []
    assert len(made) == 0


def test_other_numbers_of_the_query_stay_as_they_are(lab: Environment):
    host = add_host(lab, "h1")
    query = FixedQuery(
        lambda keys: Host.all_objects.filter(environment=keys[0], generation=1, labels={}).values_list(
            "pk", "generation"
        )
    )
    assert query.rows([lab.pk]) == [(host.pk, 1)]
    Host.all_objects.filter(pk=host.pk).update(generation=2)
    assert query.rows([lab.pk]) == []


def test_many_different_numbers_of_keys_are_not_all_kept(lab: Environment):
    query = FixedQuery(Builder())
    for count in range(100):
        query.rows([lab.pk + number for number in range(count)])
    assert len(query._compiled) <= 32


def test_keys_keep_the_type_that_a_database_driver_gave_their_places():
    class DriversInteger(int):
        """As psycopg's, which Django makes of the keys for PostgreSQL."""

    place = _places(2)[1]
    placed = _placed(DriversInteger(place), {place: 7})
    assert (placed, type(placed)) == (7, DriversInteger)
    assert [_placed(each, {place: 7}) for each in (8, True, None, "a")] == [8, True, None, "a"]
