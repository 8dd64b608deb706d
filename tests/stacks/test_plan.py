"""The plan of a service, as a pure function."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from apps.stacks.plan import SlotView, plan_service

STATES = ["creating", "starting", "running", "stopping", "stopped", "removing", "removed", "error"]
slot = st.builds(
    SlotView,
    number=st.integers(1, 12),
    container=st.one_of(st.none(), st.integers(1, 99)),
    desired=st.sampled_from(["running", "stopped", "removed"]),
    state=st.sampled_from(STATES),
)
slots = st.lists(slot, max_size=12, unique_by=(lambda s: s.number, lambda s: s.container or -s.number))


def up(number: int) -> SlotView:
    return SlotView(number, 100 + number, "running", "running")


def test_nothing_to_do_is_in_sync() -> None:
    assert plan_service("active", 2, [up(1), up(2)]).is_in_sync


def test_freed_numbers_are_used_again_lowest_first() -> None:
    assert plan_service("active", 4, [up(2), up(4)]).fill == (1, 3)


def test_the_highest_numbers_go() -> None:
    todo = plan_service("active", 1, [up(3), up(1), up(2)])
    assert (todo.remove, todo.drop) == ((102, 103), (2, 3))


def test_a_leaving_container_is_replaced_in_its_slot() -> None:
    assert plan_service("active", 1, [SlotView(1, 7, "removed", "removing")]).fill == (1,)


def test_an_inactive_service_stops_and_makes_nothing() -> None:
    todo = plan_service("inactive", 3, [up(1), SlotView(2, 5, "stopped", "stopped")])
    assert (todo.stop, todo.fill, todo.waiting) == ((101,), (), 1)


def test_removal_takes_everything() -> None:
    todo = plan_service("removed", 3, [up(1), up(2)])
    assert (todo.remove, todo.drop, todo.fill) == ((101, 102), (1, 2), ())


@given(slots, st.integers(0, 14))
def test_an_active_plan_ends_at_the_scale(seen: list[SlotView], scale: int) -> None:
    todo = plan_service("active", scale, seen)
    remaining = [s.number for s in seen if s.number not in todo.drop]
    numbers = set(remaining) | set(todo.fill)
    assert len(numbers) == scale
    assert all(number >= 1 for number in numbers)


@given(slots, st.integers(0, 14), st.sampled_from(["active", "inactive", "removed"]))
def test_no_container_is_asked_for_two_things(seen: list[SlotView], scale: int, desired: str) -> None:
    todo = plan_service(desired, scale, seen)
    changed_slots = [*todo.start, *todo.stop, *todo.remove]
    assert len(changed_slots) == len(set(changed_slots))


@given(slots, st.integers(0, 14))
def test_a_plan_carried_out_is_in_sync(seen: list[SlotView], scale: int) -> None:
    todo = plan_service("active", scale, seen)
    remaining = {s.number for s in seen} - set(todo.drop)
    after = [up(number) for number in remaining | set(todo.fill)]
    assert plan_service("active", scale, after).is_in_sync
