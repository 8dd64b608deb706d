"""From one service to another: the pure plan of both scales, with the table that Rancher's manual has."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.stacks.handover import Handover


def way(plan: Handover, growing: int, shrinking: int) -> list[tuple[int, int]]:
    """Every pair of scales (the one that shrinks first, as in the manual's table) until it is over."""
    found = [(shrinking, growing)]
    while not plan.is_over(growing, shrinking):
        growing, shrinking = plan.next_scales(growing, shrinking)
        found.append((shrinking, growing))
        assert len(found) < 500, "it does not come to its end"
    return found


@pytest.mark.parametrize(
    ("plan", "growing", "shrinking", "expected"),
    [
        (Handover(5, 0, 2), 0, 2, [(2, 0), (2, 2), (2, 4), (1, 4), (1, 5), (0, 5)]),
        (Handover(1, 0, 1), 0, 1, [(1, 0), (1, 1), (0, 1)]),
        (Handover(2, 0, 2), 0, 2, [(2, 0), (2, 2), (0, 2)]),
        (Handover(1, 0, 2), 0, 5, [(5, 0), (3, 0), (1, 0), (1, 1), (0, 1)]),
        (Handover(2, 0, 1), 4, 1, [(1, 4), (0, 4), (0, 3), (0, 2)]),
        (Handover(2, 0, 2), 1, 4, [(4, 1), (2, 1), (1, 1), (1, 2), (0, 2)]),
        (Handover(2, 1, 1), 2, 1, [(1, 2)]),
        (Handover(3, 0, 9), 3, 0, [(0, 3)]),
    ],
)
def test_the_steps_are_those_of_the_table(
    plan: Handover, growing: int, shrinking: int, expected: list[tuple[int, int]]
) -> None:
    assert way(plan, growing, shrinking) == expected


SCALES = st.integers(0, 20)


@given(st.integers(1, 20), st.integers(0, 5), st.integers(1, 7), SCALES, SCALES)
def test_never_too_few_never_a_batch_too_many_and_always_an_end(
    final: int, floor: int, batch: int, growing: int, shrinking: int
) -> None:
    plan = Handover(final, min(floor, shrinking), batch)
    steps = way(plan, growing, shrinking)
    total, end = growing + shrinking, final + plan.floor
    assert steps[-1] == (plan.floor, final) or shrinking < floor
    for before, after in pairwise(steps):
        assert sum(after) >= min(total, end)
        assert sum(after) <= max(total, end + batch)
        moved = [abs(one - other) for one, other in zip(before, after, strict=True)]
        assert min(moved) == 0, "one of the two at a time"
        assert 0 < sum(moved) <= batch


@given(st.integers(1, 9), st.integers(1, 5), SCALES, SCALES)
def test_it_can_be_turned_round_anywhere(final: int, batch: int, growing: int, shrinking: int) -> None:
    there = Handover(final, 0, batch)
    growing, shrinking = there.next_scales(growing, shrinking)
    back = way(Handover(4, 0, batch), shrinking, growing)
    assert back[-1] == (0, 4)


@given(st.integers(1, 20), st.integers(0, 5), st.integers(1, 7), SCALES, SCALES, st.data())
def test_on_the_way_back_it_gets_to_its_scale_whatever_fails_of_the_other(
    final: int, floor: int, batch: int, growing: int, shrinking: int, data: st.DataObject
) -> None:
    plan = Handover(final, min(floor, shrinking), batch)
    growing, steps = min(growing, final), 0
    while not plan.is_over(growing, shrinking):
        at_work = data.draw(st.integers(0, shrinking))  # any of them stop, fail and work again between two steps
        before = growing + at_work
        mine, theirs = plan.next_scales(growing, shrinking, at_work)
        assert (mine, theirs) != (growing, shrinking), "it waits for nobody"
        assert mine >= growing
        assert theirs <= shrinking
        left_at_work = max(0, at_work - (shrinking - theirs))  # those that go may be just those that serve
        assert mine + left_at_work >= min(before, final)
        assert mine + left_at_work <= max(before, final + plan.floor + batch)
        growing, shrinking, steps = mine, theirs, steps + 1
    assert (growing, shrinking) == (final, plan.floor)
    assert steps <= 50


@given(st.integers(1, 20), st.integers(1, 7), SCALES)
def test_on_the_way_back_it_has_everything_at_once_where_nothing_of_the_other_serves(
    final: int, batch: int, shrinking: int
) -> None:
    assert Handover(final, 0, batch).next_scales(0, shrinking, 0) == (final, shrinking)
