"""Every collection by every filter it names, paging while rows come, and pages of ten thousand containers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.api.wire.query import filterable_fields
from apps.api.wire.resource import Resource, all_resources
from apps.containers.models import Container
from apps.stacks.models import Stack
from tests.wire.api_client import ApiClient

pytestmark = pytest.mark.faces

FILTERED = [each for each in all_resources() if each.listable and filterable_fields(each)]
ONE_FOR_EACH_TABLE = list({each.model: each for each in FILTERED}.values())  # subtypes have the same columns
MANY = 10_000


def listed(caller: ApiClient, each: Resource, **query: Any) -> list[str]:
    """The ids that a query finds."""
    answer = caller.get(f"{each.plural_name.lower()}?{urlencode({'limit': -1, **query}, doseq=True)}")
    assert answer.status == 200, (each.name, query, answer.body)
    return answer.ids


def halves(modifiers: list[str]) -> Iterator[tuple[str, str]]:
    """Pairs of modifiers of which each row that has a value fits exactly one."""
    for pair in (("eq", "ne"), ("lt", "gte"), ("like", "notlike")):
        if set(pair) <= set(modifiers):
            yield pair


def test_every_filter_of_every_type_divides_its_rows(api_of: Any, lab: Any, stack: Any):
    caller = api_of("alice").inside(lab)
    divided = 0
    for each in ONE_FOR_EACH_TABLE:
        rows = caller.get(f"{each.plural_name.lower()}?limit=-1")
        if rows.status != 200:
            continue
        for name, field in filterable_fields(each).items():
            everything = sorted(rows.ids)
            without, given = (listed(caller, each, **{f"{name}_{word}": "x"}) for word in ("null", "notnull"))
            assert sorted(without + given) == everything, (each.name, name)
            value = next((row[name] for row in rows["data"] if row["id"] in given and row.get(name) is not None), None)
            if value is None or isinstance(value, list | dict):
                continue
            text = str(value).lower() if isinstance(value, bool) else str(value)
            for one, other in halves(field.modifiers):
                parts = [listed(caller, each, **{f"{name}_{word}": text}) for word in (one, other)]
                # A row without a value may be in the second half: it is unequal to every value.
                assert sorted(set(parts[0] + parts[1]) | set(without)) == everything, (each.name, name, one)
                assert not set(parts[0]) & set(parts[1]), (each.name, name, one)
                divided += 1
    assert divided > 60


def test_filters_of_types_without_rows_answer_too(api_of: Any, lab: Any):
    caller = api_of("alice").inside(lab)
    for each in FILTERED:
        query = {f"{name}_{word}": "1" for name, field in filterable_fields(each).items() for word in field.modifiers}
        answer = caller.get(f"{each.plural_name.lower()}?{urlencode(query)}")
        assert answer.status in {200, 404, 405}, (each.name, answer.body)


def _stacks(lab: Any, first: int, count: int) -> list[Stack]:
    rows = [
        Stack(environment=lab, name=f"s{number:05}", desired="active", state="active", next_attempt_at=None)
        for number in range(first, first + count)
    ]
    return list(Stack.all_objects.bulk_create(rows))


@pytest.mark.parametrize("sort", ["", "&sort=created", "&sort=id"])
def test_paging_to_the_end_while_rows_come_misses_and_repeats_none(sort: str, api: ApiClient, lab: Any):
    before = {row.name for row in _stacks(lab, 0, 25)}
    url, seen, pages = f"environments?limit=4{sort}", [], 0
    while url:
        page = api.get(url)
        seen += [row["name"] for row in page["data"]]
        if pages < 5:
            _stacks(lab, 100 + 3 * pages, 3)
        url, pages = page["pagination"]["next"], pages + 1
        assert pages < 50
    assert len(seen) == len(set(seen))
    assert before <= set(seen)


@pytest.fixture
def many_containers(lab: Any) -> None:
    """Ten thousand containers that stopped."""
    rows = [
        Container(
            environment=lab, name=f"c{number}", image="sim/x:1", desired="stopped", state="stopped",
            observed_generation=1, next_attempt_at=None,
        )
        for number in range(MANY)
    ]  # fmt: skip
    Container.all_objects.bulk_create(rows, batch_size=500)


def test_a_page_of_ten_thousand_containers_takes_the_queries_of_a_page_of_one(
    api: ApiClient, lab: Any, many_containers: None
):
    api.get("containers?limit=1")
    counts, last = [], "limit=100&marker=m9900"
    for query in ("limit=1", "limit=100", last, "limit=100&sort=name&order=desc"):
        with CaptureQueriesContext(connection) as queries:
            page = api.get(f"containers?{query}")
        assert len(page["data"]) == (1 if query == "limit=1" else 100)
        counts.append(len(queries))
        assert (page["pagination"]["next"] is None) == (query == last)
    assert len(set(counts)) == 1, counts
