"""Filters, sorting and paging of collections."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest

from apps.environments.models import Environment
from apps.stacks.models import Stack
from tests.wire.api_client import ApiClient

NAMES = ("alpha", "Beta", "gamma_1", "gamma%2", "delta")


@pytest.fixture
def five_stacks(lab: Environment, api: ApiClient) -> list[Stack]:
    """Five active stacks of the lab; one has an external id."""
    rows = [
        Stack(
            environment=lab, name=name, desired="active", state="active", observed_generation=1, next_attempt_at=None,
            external_id="x-1" if name == "alpha" else "",
        )
        for name in NAMES
    ]  # fmt: skip
    return list(Stack.all_objects.bulk_create(rows))


def stack_names(api: ApiClient, **query: Any) -> list[str]:
    """The names of the stacks that a query returns."""
    return [each["name"] for each in api.get("environments?" + urlencode(query, doseq=True))["data"]]


@pytest.mark.parametrize(
    ("modifier", "found"),
    [
        ("", ["alpha"]),
        ("_ne", list(NAMES[1:])),
        ("_prefix", ["alpha"]),
        ("_like", ["alpha"]),
        ("_notlike", list(NAMES[1:])),
        ("_null", []),
        ("_notnull", list(NAMES)),
        ("_lt", list(NAMES)),
        ("_odd", list(NAMES)),
    ],
)
def test_a_filter_selects_its_rows_and_an_unknown_one_is_ignored(
    api: ApiClient, five_stacks: list[Stack], modifier: str, found: list[str]
):
    assert stack_names(api, **{f"name{modifier}": "alpha"}) == found


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("%ALPHA%", ["alpha"]),
        ("beta", ["Beta"]),
        ("gamma__", ["gamma_1", "gamma%2"]),
        ("%a", ["alpha", "Beta", "delta"]),
        ("%", list(NAMES)),
        ("", []),
        ("%\\%", []),
        ("%'; --", []),
    ],
)
def test_wildcards_are_those_of_sql(api: ApiClient, five_stacks: list[Stack], pattern: str, found: list[str]):
    assert stack_names(api, name_like=pattern) == found


def test_several_filters_are_combined(api: ApiClient, five_stacks: list[Stack]):
    assert stack_names(api, name_prefix="gamma", name_like="%1") == ["gamma_1"]
    assert stack_names(api, name=["alpha", "Beta"]) == []
    assert stack_names(api, name_ne=["alpha", "Beta"]) == ["gamma_1", "gamma%2", "delta"]


@pytest.mark.parametrize(
    ("query", "is_all"),
    [
        ({"state": "active"}, True),
        ({"state": "ACTIVE"}, False),
        ({"kind": "environment"}, True),
        ({"kind": "service"}, False),
        ({"id": "nonsense"}, False),
        ({"id": "1e" + "9" * 30}, False),
        ({"created_gt": "2000-01-01T00:00:00Z"}, True),
        ({"created_gt": "2000-01-01"}, True),
        ({"created_lt": "0"}, False),
        ({"created_gt": "0"}, True),
        ({"created_gt": "9" * 18}, False),
        ({"created": "never"}, False),
        ({"uuid": "x"}, False),
        ({"uuid": "z" * 32}, False),
        ({"accountId": "1a999"}, False),
        ({"accountId": "x"}, False),
        ({"name": "a\0b"}, False),
        ({"nonsense": "x"}, True),
        ({"dockerCompose": "x"}, True),
        ({"name_": "x"}, True),
        ({"_like": "x"}, True),
    ],
)
def test_a_filter_by_kind_selects_all_or_nothing_and_never_fails(
    api: ApiClient, five_stacks: list[Stack], query: dict[str, str], is_all: bool
):
    answer = api.get("environments?" + urlencode(query))
    assert answer.status == 200
    assert len(answer["data"]) == (len(NAMES) if is_all else 0)


def test_a_row_is_found_by_its_own_id_account_and_uuid(api: ApiClient, five_stacks: list[Stack], lab: Environment):
    one = api.get("environments?name=alpha")["data"][0]
    for name in ("id", "uuid", "externalId"):
        assert stack_names(api, **{name: one[name]}) == ["alpha"], name
    assert stack_names(api, accountId=one["accountId"]) == list(NAMES)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"sort": "name"}, sorted(NAMES)),
        ({"sort": "name", "order": "desc"}, sorted(NAMES, reverse=True)),
        ({"sort": "name", "order": "odd"}, sorted(NAMES)),
        ({"sort": "state"}, list(NAMES)),
        ({"sort": "id", "order": "desc"}, list(reversed(NAMES))),
        ({"sort": "nonsense"}, list(NAMES)),
        ({"order": "desc"}, list(NAMES)),
    ],
)
def test_rows_come_in_the_order_asked_for(
    api: ApiClient, five_stacks: list[Stack], query: dict[str, str], found: list[str]
):
    assert stack_names(api, **query) == found


def test_pages_contain_every_row_once_in_any_sort_order(api: ApiClient, five_stacks: list[Stack]):
    for query in ("sort=state", "sort=name&order=desc", ""):
        url, names, pages = f"environments?limit=2&{query}", [], 0
        while url:
            answer = api.get(url)
            names += [each["name"] for each in answer["data"]]
            url, pages = answer["pagination"]["next"], pages + 1
        assert sorted(names) == sorted(NAMES), query
        assert pages == 3


def test_a_page_links_to_the_ones_around_it(api: ApiClient, five_stacks: list[Stack]):
    around = api.get("environments?limit=2&marker=m2&name_ne=x")["pagination"]
    assert around["partial"] is True
    assert "marker=m4" in around["next"]
    assert "marker" not in around["previous"]
    assert "marker" not in around["first"]
    assert all("name_ne=x" in around[word] for word in ("first", "previous", "next"))


@pytest.mark.parametrize(
    ("query", "limit", "count"),
    [
        ("limit=2", 2, 2),
        ("limit=0", None, 5),
        ("limit=-1", None, 5),
        ("limit=99999", 3000, 5),
        ("limit=x", 100, 5),
        ("limit=%C2%B2", 100, 5),
        ("limit=" + "9" * 30, 100, 5),
        ("marker=m4", 100, 1),
        ("marker=4", 100, 1),
        ("marker=m99", 100, 0),
        ("marker=m-1", 100, 5),
        ("marker=x", 100, 5),
        ("marker=m" + "9" * 18, 100, 5),
    ],
)
def test_an_invalid_limit_or_marker_is_the_default(
    api: ApiClient, five_stacks: list[Stack], query: str, limit: int | None, count: int
):
    answer = api.get("environments?" + query)
    assert (answer.status, answer["pagination"]["limit"], len(answer["data"])) == (200, limit, count)


def test_a_collection_says_how_it_was_filtered_and_sorted(api: ApiClient, five_stacks: list[Stack]):
    answer = api.get("environments?name_like=%25a%25&sort=name")
    assert answer["filters"]["name"] == [{"modifier": "like", "value": "%a%"}]
    assert answer["filters"]["state"] is None
    assert answer["sort"] == {"name": "name", "order": "asc", "reverse": None}
    assert "order=desc" in answer["sortLinks"]["name"]
    assert "order" not in answer["sortLinks"]["state"]


def test_a_non_member_finds_nothing_by_any_filter(
    five_stacks: list[Stack], key_of: Any, foreign_environment: Environment
):
    outsider = key_of("mallory", foreign_environment)
    for query in ("", "?name=alpha", f"?id=1e{five_stacks[0].pk}", "?name_like=%25", "?include=services"):
        answer = outsider.get("environments" + query)
        assert (answer.status, answer["data"]) == (200, []), query
