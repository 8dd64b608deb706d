"""The keys of an environment: a hundred on a page, found by name or access key, sorted as asked for."""

from __future__ import annotations

from typing import Any

import pytest

from apps.accounts.models import ApiKey, User
from apps.environments.models import Environment, KeyScope


@pytest.fixture
def many(lab: Environment, actor_of: Any) -> list[ApiKey]:
    """120 keys of jobs, as the loop would have left them; one has been switched off."""
    owner: User = actor_of("alice").user
    rows = [
        ApiKey(
            account=owner,
            name=f"job-{number:03}",
            public_value=f"ACCESS{number:014}",
            secret_hash="0" * 64,
            desired="inactive" if number == 7 else "active",
            state="inactive" if number == 7 else "active",
            observed_generation=1,
        )
        for number in range(120)
    ]
    made = ApiKey.objects.bulk_create(rows)
    KeyScope.objects.bulk_create(KeyScope(key=row, environment=lab, role="member") for row in made)
    return made


def names(answer: Any) -> list[str]:
    return [row.name for row in answer.context["page"].rows]


def test_the_newest_come_first_a_hundred_to_a_page(browser_as: Any, at: Any, many: Any):
    client = browser_as("alice")
    first = client.get(at("keys"))
    assert (len(names(first)), names(first)[0]) == (100, "job-119")
    assert "1–100 of 120" in first.content.decode()
    assert names(client.get(at("keys") + "?page=2"))[-1] == "job-000"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("q=JOB-11", 10),
        ("q=ACCESS00000000000042", 1),
        ("state=inactive", 1),
        ("q=job-00&state=active", 9),
        ("q=nothing", 0),
    ],
)
def test_they_are_found(browser_as: Any, at: Any, many: Any, query: str, expected: int):
    answer = browser_as("alice").get(at("keys") + f"?{query}")
    assert len(names(answer)) == expected
    assert ("No key matches" in answer.content.decode()) == (expected == 0)


@pytest.mark.parametrize("sort", ["state", "name", "account", "expires", "used", "-used", "nonsense"])
def test_every_column_sorts(browser_as: Any, at: Any, many: Any, sort: str):
    answer = browser_as("alice").get(at("keys") + f"?sort={sort}")
    assert len(names(answer)) == 100
    if sort == "name":
        assert names(answer)[0] == "job-000"
