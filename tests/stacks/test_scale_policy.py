"""The plan of a service that has as many containers as fit, as a pure function."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from apps.stacks.plan import SlotView
from apps.stacks.scale_policy import ScalePolicy, plan_policy

NONE: frozenset[int] = frozenset()


def up(number: int) -> SlotView:
    return SlotView(number, 100 + number, "running", "running")


def homeless(number: int) -> SlotView:
    return SlotView(number, 100 + number, "running", "creating")


def test_it_begins_with_the_least_and_grows_when_all_run() -> None:
    policy = ScalePolicy(2, 5, 2)
    assert plan_policy(policy, None, [], NONE, is_full=False).plan.fill == (1, 2)
    fit = plan_policy(policy, 2, [up(1), up(2)], NONE, is_full=False)
    assert (fit.scale, fit.plan.fill) == (4, (3, 4))
    assert plan_policy(policy, 4, [up(n) for n in range(1, 5)], NONE, is_full=False).scale == 5
    assert plan_policy(policy, 2, [up(1), homeless(2)], NONE, is_full=False).scale == 2


def test_what_finds_no_host_is_given_up_whatever_its_number() -> None:
    fit = plan_policy(ScalePolicy(1, 5), 3, [homeless(1), up(2), up(3)], frozenset({1}), is_full=False)
    assert (fit.scale, fit.plan.drop, fit.plan.remove, fit.plan.fill, fit.is_full) == (2, (1,), (101,), (), True)


def test_the_minimum_is_never_given_up_and_a_full_service_does_not_try_again() -> None:
    fit = plan_policy(ScalePolicy(2, 5), 2, [up(1), homeless(2)], frozenset({2}), is_full=False)
    assert (fit.scale, fit.plan.drop) == (2, ())
    assert plan_policy(ScalePolicy(1, 5), 2, [up(1), up(2)], NONE, is_full=True).scale == 2


@given(st.integers(1, 6), st.integers(0, 6), st.integers(1, 4), st.integers(0, 9))
def test_it_comes_to_rest_at_what_fits_between_the_limits(least: int, more: int, step: int, room: int) -> None:
    policy = ScalePolicy(least, least + more, step)
    scale, slots, full = None, list[SlotView](), False
    for _ in range(40):
        missing = frozenset(slot.number for slot in slots if slot.state != "running")
        fit = plan_policy(policy, scale, slots, missing, is_full=full)
        scale, full = fit.scale, fit.is_full
        kept = [slot for slot in slots if slot.number not in fit.plan.drop]
        taken = sum(slot.state == "running" for slot in kept)
        new = [up(n) if taken + at < room else homeless(n) for at, n in enumerate(fit.plan.fill)]
        slots = kept + new
        assert least <= scale <= policy.max
    assert len(slots) == scale == min(max(room, least), policy.max)
