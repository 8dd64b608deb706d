"""Whatever people request and engines suffer, in whatever order: the desired state is reached, and nothing more."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from apps.containers.engine import UUID_LABEL
from apps.containers.models import Container
from apps.control.kinds import KINDS
from apps.control.models import PENDING_STATES, Operation
from apps.core.errors import Problem
from apps.stacks.models import Service, Slot, Stack
from apps.stacks.stack_upgrade import stack_act
from tests.loop.simulation import Simulation, rolled_back

STEPS = [
    "new",
    "scale",
    "scale",
    "activate",
    "deactivate",
    "remove",
    "lose",
    "halt",
    "end",
    "vanish",
    "cut",
    "mend",
    "refuse",
    "stumble",
    "die",
    "double",
    "wait",
    "wait",
    "wait",
    "wait",
]
steps = st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 60)), max_size=12)


def run_script(world: Simulation, script: list[tuple[str, int]]) -> None:
    for name, number in script:
        with suppress(Problem):  # what a state does not allow is refused, and nothing happens
            getattr(world, name)(number)
    world.rest()


def check_engines(world: Simulation) -> None:
    """No orphan and no double: every container of ours is exactly one living row's."""
    labelled = Counter(box.labels.get(UUID_LABEL, "") for _engine, box in world.boxes())
    assert not [uuid for uuid, times in labelled.items() if times > 1]
    living = {str(uuid) for uuid in Container.all_objects.filter(removed=None).values_list("uuid", flat=True)}
    assert set(labelled) <= living


def check_service(world: Simulation, row: Service) -> None:
    slots = list(Slot.objects.filter(service=row).select_related("container"))
    uuids = {str(s.container.uuid) for s in slots if s.container and s.container.removed is None}
    boxes = [box for _engine, box in world.boxes() if box.labels.get(UUID_LABEL) in uuids]
    running = [box for box in boxes if box.state == "running"]
    assert (row.display_state, row.transitioning) == (row.desired, "no"), row.message
    if row.desired == "removed":
        assert (slots, boxes) == ([], [])
        return
    owned = Container.all_objects.filter(spread_key=str(row.uuid), removed=None)
    assert {str(uuid) for uuid in owned.values_list("uuid", flat=True)} == uuids
    if row.desired == "active":
        assert (len(slots), len(running), len(boxes)) == (row.scale, row.scale, row.scale)
        assert row.status["health"] == "healthy"
    else:
        assert running == []


def check(world: Simulation) -> None:
    check_engines(world)
    for row in world.services():
        check_service(world, row)
    for kind in KINDS.values():
        assert not kind.model.all_objects.exclude(lease="").exists()
    assert not Operation.all_objects.filter(state__in=PENDING_STATES).exists()


NO_SHRINK = (Phase.explicit, Phase.generate)
SLOWLY = settings(max_examples=6, suppress_health_check=list(HealthCheck), phases=NO_SHRINK)


@SLOWLY
@given(script=steps)
def test_with_requeues_everything_reaches_its_desired_state(world: Any, script: list[tuple[str, int]]):
    with rolled_back():
        one = world(delivers_requeues=True)
        run_script(one, [("new", 3), *script])
        check(one)


@SLOWLY
@given(script=steps)
def test_with_the_clock_alone_everything_reaches_its_desired_state(world: Any, script: list[tuple[str, int]]):
    with rolled_back():
        one = world(delivers_requeues=False)
        run_script(one, [("new", 3), *script])
        check(one)


def test_a_stack_that_is_removed_in_the_middle_of_everything_leaves_nothing(world: Any):
    one = world(delivers_requeues=False)
    run_script(one, [("new", 3), ("new", 2), ("die", 0), ("wait", 20), ("cut", 1), ("end", 0), ("scale", 9)])
    stack_act(Stack.all_objects.get(pk=one.stack.pk), "remove", actor=one.actor)
    one.rest()
    assert Stack.all_objects.get(pk=one.stack.pk).display_state == "removed"
    assert one.boxes() == []
    assert not Container.all_objects.filter(removed=None).exists()
    check(one)


@pytest.mark.parametrize("call", range(8))
def test_a_worker_that_dies_after_any_step_leaves_no_double(world: Any, call: int):
    one = world(delivers_requeues=False)
    run_script(one, [("new", 4), ("die", call), ("wait", 15), ("scale", 4), ("die", call), ("wait", 90), ("lose", 0)])
    check(one)
