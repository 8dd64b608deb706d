"""The plan of a rolling restart as a pure function, played on a model of containers that stop, start and fail."""

from __future__ import annotations

import random
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.stacks.restart import RestartView, plan_restart


@dataclass
class Box:
    """One container of the model: how often it was asked to restart, and how often it did."""

    key: int
    asked: int = 0
    done: int = 0
    is_broken: bool = False

    @property
    def is_up(self) -> bool:
        return self.asked == self.done

    def view(self) -> RestartView:
        return RestartView(
            self.key,
            is_due=self.asked == 0,
            is_up=self.is_up,
            is_ready=self.is_up and not self.is_broken,
            can_restart=self.is_up,
        )


def turn(boxes: list[Box], batch: int) -> int:
    """One reconcile; returns how many are left."""
    plan = plan_restart(len(boxes), batch, [each.view() for each in boxes])
    for box in boxes:
        box.asked += box.key in plan.begin
    return plan.left


@given(st.integers(1, 8), st.integers(1, 9), st.integers(0, 1_000_000))
def test_never_fewer_run_than_the_scale_less_a_batch_and_each_is_restarted_once(
    scale: int, batch: int, seed: int
) -> None:
    boxes, chance = [Box(key) for key in range(scale)], random.Random(seed)  # noqa: S311
    for _ in range(300):
        # A plan is made again at any time: what was asked for is known from the containers alone.
        for _again in range(chance.randint(1, 3)):
            turn(boxes, batch)
            assert sum(box.is_up for box in boxes) >= scale - batch
        down = [box for box in boxes if not box.is_up]
        for box in chance.sample(down, chance.randint(0, len(down))):
            box.done = box.asked
        if all(box.is_up and box.asked for box in boxes):
            break
    assert [box.asked for box in boxes] == [1] * scale


@given(st.integers(2, 8), st.integers(1, 4), st.sets(st.integers(0, 7)))
def test_what_does_not_do_its_work_is_restarted_first_and_takes_no_more_than_a_batch(
    scale: int, batch: int, broken: set[int]
) -> None:
    boxes = [Box(key, is_broken=key in broken) for key in range(scale)]
    turn(boxes, batch)
    assert sum(box.is_up for box in boxes) >= scale - batch
    begun, ill = {box.key for box in boxes if box.asked}, {box.key for box in boxes if box.is_broken}
    assert begun
    assert begun <= ill or ill <= begun


def test_one_that_comes_up_broken_stops_the_restart() -> None:
    boxes = [Box(key) for key in range(3)]
    for _ in range(5):
        turn(boxes, 1)
        for box in boxes:
            box.is_broken = box.is_broken or box.asked > box.done
            box.done = box.asked
    assert [box.asked for box in boxes] == [1, 0, 0]


@pytest.mark.parametrize(("may_begin", "begun"), [(True, (1,)), (False, ())])
def test_the_interval_is_waited_for(*, may_begin: bool, begun: tuple[int, ...]) -> None:
    views = [RestartView(1, is_due=True), RestartView(2, is_due=True)]
    plan = plan_restart(2, 1, views, may_begin=may_begin)
    assert (plan.begin, plan.left) == (begun, 2)


def test_a_paused_one_takes_no_room() -> None:
    views = [RestartView(1, is_due=True, is_up=False, is_ready=False), RestartView(2, is_due=True)]
    assert plan_restart(2, 1, views).begin == (1,)


def test_what_cannot_be_restarted_now_is_waited_for() -> None:
    views = [RestartView(1, is_due=True, is_up=False, is_ready=False, can_restart=False), RestartView(2, is_due=True)]
    plan = plan_restart(2, 1, views)
    assert (plan.begin, plan.left) == ((), 2)
