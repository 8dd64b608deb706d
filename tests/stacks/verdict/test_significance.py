"""The two tests against published tables, counts by hand, and what must hold for any values."""

from __future__ import annotations

import itertools
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.stacks.verdict.significance import (
    EXACT_UP_TO,
    binomial_tail,
    chance_of_higher_levels,
    chance_of_more_events,
    share_of_higher,
)

# S. Siegel: Nonparametric Statistics for the Behavioral Sciences (1956), table J: probabilities of U or less.
SIEGEL_J = [
    (3, 4, [0.028, 0.057, 0.114, 0.200, 0.314]),
    (4, 4, [0.014, 0.029, 0.057, 0.100, 0.171]),
    (5, 5, [0.004, 0.008, 0.016, 0.028, 0.048]),
    (6, 6, [0.001, 0.002, 0.004, 0.008, 0.013]),
]


def groups_with(old: int, new: int, u: int) -> tuple[list[float], list[float]]:
    """Groups without ties, `new` as high as it can be but for `u` pairs in which an old value is the higher one."""
    above = [min(old, max(0, u - at * old)) for at in range(new)]  # how many old values each new one has above it
    news = [old - each + 0.5 + at / (2 * new) for at, each in enumerate(above)]
    return [float(each) for each in range(1, old + 1)], news


@pytest.mark.parametrize(("old", "new", "u", "p"), [(o, n, u, p) for o, n, ps in SIEGEL_J for u, p in enumerate(ps)])
def test_ranks_agree_with_the_published_table(old: int, new: int, u: int, p: float) -> None:
    first, second = groups_with(old, new, u)
    assert sum(a > b for a in first for b in second) == u
    assert chance_of_higher_levels(first, second) == pytest.approx(p, abs=0.001)  # some of the table are cut off


def test_ties_are_counted_out_by_hand() -> None:
    # Of the 10 choices of 2 out of {1, 2, 2, 2, 3}, (2, 3) can be made in 3 ways and nothing is higher.
    assert chance_of_higher_levels([1, 2, 2], [2, 3]) == pytest.approx(3 / 10)
    assert chance_of_higher_levels([5, 5, 5], [5, 5]) == 1.0


values = st.lists(st.integers(0, 9).map(float), min_size=1, max_size=5)


@given(values, values)
def test_the_exact_tail_is_what_trying_all_choices_gives(old: list[float], new: list[float]) -> None:
    def pairs(chosen: set[int]) -> float:
        inside = [each for at, each in enumerate(everything) if at in chosen]
        outside = [each for at, each in enumerate(everything) if at not in chosen]
        return sum((a > b) + (a == b) / 2 for a in inside for b in outside)

    everything = [*old, *new]
    mine = pairs(set(range(len(old), len(everything))))
    choices = [pairs(set(each)) for each in itertools.combinations(range(len(everything)), len(new))]
    assert chance_of_higher_levels(old, new) == pytest.approx(sum(each >= mine for each in choices) / len(choices))


@given(values, values, st.integers(1, 1000))
def test_only_the_order_of_values_counts(old: list[float], new: list[float], factor: int) -> None:
    stretched = [[math.exp(each) * factor for each in group] for group in (old, new)]
    assert chance_of_higher_levels(old, new) == pytest.approx(chance_of_higher_levels(*stretched))
    assert share_of_higher(old, new) == pytest.approx(1 - share_of_higher(new, old))


def test_the_approximation_meets_the_exact_value_where_they_change_over() -> None:
    chance = random.Random(7)  # noqa: S311
    for _ in range(10):
        half = EXACT_UP_TO // 2
        old = [chance.gauss(0, 1) for _ in range(half)]
        new = [chance.gauss(0.6, 1) for _ in range(half)]
        exact, approximate = chance_of_higher_levels(old, new), chance_of_higher_levels([*old, 0.0], [*new, 0.0])
        assert approximate == pytest.approx(exact, abs=0.02)


def test_chance_alone_calls_one_in_a_hundred_worse() -> None:
    chance = random.Random(11)  # noqa: S311

    def group() -> list[float]:
        return [chance.random() for _ in range(12)]

    alarms = sum(chance_of_higher_levels(group(), group()) <= 0.01 for _ in range(150))
    assert alarms <= 6


def test_rates_agree_with_sums_by_hand() -> None:
    # Ten events, half the time each: 56 of 1024 ways have eight of them or more among the new ones.
    assert chance_of_more_events(2, 60, 8, 60) == pytest.approx(56 / 1024)
    # Three events, all of them in a tenth of the time.
    assert chance_of_more_events(0, 90, 3, 10) == pytest.approx(0.001)
    # R. A. Fisher, F. Yates: Statistical Tables (1963), binomial with p = 1/2, n = 6: P(6) = 0.0156.
    assert binomial_tail(6, 0.5, 6) == pytest.approx(1 / 64)


@pytest.mark.parametrize("silent", [(3, 0, 2, 60), (3, 60, 2, 0), (3, 60, 0, 60)])
def test_what_was_not_observed_proves_nothing(silent: tuple[int, float, int, float]) -> None:
    assert chance_of_more_events(*silent) == 1.0


@given(st.integers(0, 30), st.integers(1, 30), st.floats(1, 1e6), st.floats(1, 1e6))
def test_more_events_in_the_same_time_are_never_less_suspect(old: int, new: int, before: float, since: float) -> None:
    p = chance_of_more_events(old, before, new, since)
    assert 0.0 <= p <= 1.0
    assert chance_of_more_events(old, before, new + 1, since) <= p + 1e-12
    assert chance_of_more_events(old, before * 2, new, since) <= p + 1e-12


def test_very_many_events_are_summed_without_overflow() -> None:
    assert 0.4 < chance_of_more_events(100_000, 600, 100_000, 600) < 0.6
    assert chance_of_more_events(100_000, 600, 102_000, 600) < 0.0001
