"""The plan of a service with one container on each host, as a pure function."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from apps.stacks.global_plan import GlobalHosts, plan_global
from apps.stacks.plan import SlotView

STATES = ["creating", "running", "stopping", "stopped", "removing", "removed", "error"]
slot = st.builds(
    SlotView,
    number=st.integers(1, 9),
    container=st.one_of(st.none(), st.integers(1, 99)),
    desired=st.sampled_from(["running", "stopped", "removed"]),
    state=st.sampled_from(STATES),
    must_leave=st.booleans(),
)
slots = st.lists(slot, max_size=9, unique_by=(lambda s: s.number, lambda s: s.container or -s.number))
host_ids = st.frozensets(st.integers(1, 6))


def up(number: int, **more: bool) -> SlotView:
    return SlotView(number, 100 + number, "running", "running", **more)


def hosts(*eligible: int, kept: tuple[int, ...] = ()) -> GlobalHosts:
    return GlobalHosts(frozenset(eligible), frozenset({*eligible, *kept}))


def test_each_host_gets_one_and_a_new_host_its_own() -> None:
    plan, new = plan_global("active", hosts(7, 8), [], {})
    assert (plan.fill, new, plan.waiting) == ((1, 2), {1: 7, 2: 8}, 2)
    plan, new = plan_global("active", hosts(7, 8, 9), [up(1), up(2)], {1: 7, 2: 8})
    assert (plan.fill, new, plan.drop) == ((3,), {3: 9}, ())


def test_a_host_that_leaves_loses_its_own_whatever_its_number() -> None:
    plan, new = plan_global("active", hosts(8, 9), [up(1), up(2)], {1: 7, 2: 8})
    assert (plan.drop, plan.remove, plan.fill, new) == ((1,), (101,), (3,), {3: 9})  # 1 is not free yet


def test_a_container_of_a_lost_host_waits_for_it_and_never_moves() -> None:
    plan, new = plan_global("active", hosts(7, kept=(8,)), [up(1), up(2, must_leave=True)], {1: 7, 2: 8})
    assert (plan.fill, plan.surge, plan.drop, plan.remove, new, plan.waiting) == ((), (), (), (), {}, 0)


def test_an_inactive_service_stops_and_a_removed_one_takes_everything() -> None:
    assert plan_global("inactive", hosts(7), [up(1), up(2)], {1: 7, 2: 8})[0].stop == (101, 102)
    assert plan_global("removed", hosts(7), [up(1)], {1: 7})[0].remove == (101,)


@given(slots, host_ids, host_ids, st.dictionaries(st.integers(1, 9), st.integers(1, 6)))
def test_every_eligible_host_ends_with_exactly_one(
    seen: list[SlotView], eligible: frozenset[int], kept: frozenset[int], places: dict[int, int]
) -> None:
    known = {each.number: places.get(each.number) for each in seen}
    plan, new = plan_global("active", GlobalHosts(eligible, eligible | kept), seen, known)
    stay = [number for number in known if number not in plan.drop]
    found = [known[number] for number in stay] + list(new.values())
    assert len(found) == len(set(found))
    assert eligible <= set(found) <= eligible | kept
    assert not new.keys() & known.keys()  # the rows of dropped slots are deleted last
    assert set(plan.fill) <= {*stay, *new}
    assert len(plan.remove) == len(set(plan.remove))
    assert not plan.surge
