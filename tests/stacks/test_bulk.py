"""One action for many stacks: said before, done to each by itself, refused for those where it cannot be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.environments.models import Environment
from apps.environments.services import environment_create
from apps.hosts.models import Host
from apps.stacks.bulk import REMOVE, RESTART, START, STOP, bulk_act, count_outcomes, preview_bulk
from apps.stacks.locks import lock_set
from apps.stacks.models import Service, Stack
from apps.stacks.services import stack_create

FILE = "web: {image: 'bb:local'}\ndb: {image: 'bb:local'}\n"


@pytest.fixture
def stacks(lab: Environment, host: Host, actor_of: Any, run_loop: Callable[[], None]) -> list[Stack]:
    """Two running stacks of two services, and one without any."""
    for name in ("one", "two"):
        stack_create(actor=actor_of("bob"), environment=lab, name=name, docker_compose=FILE, start_on_create=True)
    stack_create(actor=actor_of("bob"), environment=lab, name="empty")
    run_loop()
    return list(Stack.all_objects.order_by("pk"))


def texts(steps: Any) -> dict[str, str]:
    return {each.stack.name: each.text or f"no: {each.problem}" for each in steps}


def test_it_says_before_what_it_does(stacks: list[Stack], actor_of: Any):
    bob = actor_of("bob")
    nothing = "no: No service is in a state for this."
    assert texts(preview_bulk(stacks, STOP, actor=bob)) == {
        "one": "stops 2 of 2 services",
        "two": "stops 2 of 2 services",
        "empty": nothing,
    }
    assert set(texts(preview_bulk(stacks, START, actor=bob)).values()) == {nothing}
    assert texts(preview_bulk(stacks, RESTART, actor=bob))["one"] == "restarts 2 of 2 services"
    removal = texts(preview_bulk(stacks, REMOVE, actor=bob))
    assert removal["one"] == "deleted with 2 services, 2 containers"
    assert removal["empty"] == "deleted with 0 services, 0 containers"
    assert not Service.all_objects.exclude(desired="active").exists(), "nothing was done"


def test_it_is_done_to_each(stacks: list[Stack], actor_of: Any, run_loop: Callable[[], None]):
    steps = bulk_act(stacks, STOP, actor=actor_of("bob"))
    assert count_outcomes(steps) == (2, 1)
    run_loop()
    assert set(Service.all_objects.values_list("display_state", flat=True)) == {"inactive"}
    assert count_outcomes(bulk_act(stacks, START, actor=actor_of("bob"))) == (2, 1)
    run_loop()
    assert set(Service.all_objects.values_list("display_state", flat=True)) == {"active"}
    assert count_outcomes(bulk_act(stacks, RESTART, actor=actor_of("bob"))) == (2, 1)
    assert all(each.restart for each in Service.all_objects.all())


def test_a_refusal_of_one_stops_none_of_the_others(stacks: list[Stack], actor_of: Any):
    lock_set(stacks[0], "freeze", actor=actor_of("alice"))
    steps = bulk_act(Stack.all_objects.order_by("pk"), REMOVE, actor=actor_of("bob"))
    found = texts(steps)
    assert "freeze" in found["one"]
    assert count_outcomes(steps) == (2, 1)
    desired = dict(Stack.all_objects.values_list("name", "desired"))
    assert desired == {"one": "active", "two": "removed", "empty": "removed"}


def test_it_takes_the_right_in_the_environment_of_each(
    stacks: list[Stack], actor_of: Any, run_loop: Callable[[], None]
):
    other = environment_create(actor=actor_of("alice"), name="Other")
    stack_create(actor=actor_of("alice"), environment=other, name="far", docker_compose=FILE, start_on_create=True)
    found = texts(bulk_act(list(Stack.all_objects.order_by("pk")), STOP, actor=actor_of("bob")))
    assert found["one"] == "stops 2 of 2 services"
    assert "not a member" in found["far"]
    assert count_outcomes(bulk_act(stacks, REMOVE, actor=actor_of("rita"))) == (0, 3)


def test_more_stacks_take_no_more_queries(stacks: list[Stack], actor_of: Any):
    counts = []
    for some in (stacks[:1], stacks):
        with CaptureQueriesContext(connection) as caught:
            preview_bulk(some, STOP, actor=actor_of("bob"))
        counts.append(len(caught))
    assert counts[0] == counts[1]
