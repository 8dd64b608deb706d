"""What an operation led to is read whole, in order, in a bounded number of queries, and within one environment."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.control.models import Operation
from apps.control.selectors import MAX_DEPTH, MAX_DESCENDANTS, descendants_of
from apps.environments.models import Environment


@pytest.fixture
def led(lab: Environment) -> Any:
    """Makes an operation of the lab that another one led to."""

    def make(name: str, parent: Operation | None = None, environment: Environment = lab) -> Operation:
        found: Operation = Operation.all_objects.create(
            environment=environment, name=name, kind="container", target=1, generation=1, parent=parent
        )
        return found

    return make


def below(row: Operation, lab: Environment) -> list[tuple[int, str]]:
    return [(each.depth, each.name) for each in descendants_of(row, Operation.objects.within([lab.pk]))]  # type: ignore[attr-defined]


def test_each_stands_before_what_it_led_to(led: Any, lab: Environment):
    root = led("stack")
    web, db = led("web", root), led("db", root)
    led("db-1", db), led("web-1", web)
    led("pull", led("web-2", web))
    led("unrelated")
    assert below(root, lab) == [(0, "web"), (1, "web-1"), (1, "web-2"), (2, "pull"), (0, "db"), (1, "db-1")]
    assert below(db, lab) == [(0, "db-1")]


def test_what_led_to_nothing_has_no_tree(led: Any, lab: Environment):
    assert below(led("stop"), lab) == []


def test_it_ends_at_its_depth(led: Any, lab: Environment):
    root = at = led("0")
    for level in range(MAX_DEPTH + 2):
        at = led(str(level + 1), at)
    assert [name for _depth, name in below(root, lab)] == [str(level + 1) for level in range(MAX_DEPTH)]


def test_it_ends_at_its_size_with_the_upper_levels_first(led: Any, lab: Environment):
    root = led("root")
    first = led("first", root)
    for number in range(MAX_DESCENDANTS):
        led(f"deep-{number}", first)
    led("last", root)
    names = [name for _depth, name in below(root, lab)]
    assert len(names) == MAX_DESCENDANTS
    assert {"first", "last"} < set(names)


def test_what_belongs_to_another_environment_is_not_shown(led: Any, lab: Environment):
    other = Environment.all_objects.create(name="Other")
    root = led("root")
    hidden = led("hidden", root, environment=other)
    led("below", hidden)
    assert below(root, lab) == []


def test_the_queries_follow_the_levels_not_the_rows(led: Any, lab: Environment):
    def count(width: int) -> int:
        root = led("root")
        for _ in range(width):
            led("leaf", led("branch", root))
        with CaptureQueriesContext(connection) as seen:
            assert len(below(root, lab)) == 2 * width
        return len(seen)

    assert count(1) == count(9) == 3
