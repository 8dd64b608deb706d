"""What was compared over time: kept by the minute, thinned, and read as rates and levels."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from apps.stacks.verdict.history import MOST_SAMPLES, SignalSample, samples_of, with_sample
from apps.stacks.verdict.signals import Containers, EventRate, Events, Evidence, Level

BEGIN = datetime(2026, 1, 1, 12, tzinfo=UTC)


def evidence(old: tuple[int, float], new: tuple[int, float], cores: tuple[float | None, float | None]) -> Evidence:
    rate = EventRate("errors", Events(), Events(*old), Events(*new))
    return Evidence(Containers(), rates=(rate,), levels=(Level("cpu", "cores", now=cores),))


def history_of(*found: Evidence, step: float = 60) -> list[Any]:
    history: list[Any] = []
    for at, each in enumerate(found):
        history = with_sample(history, each, BEGIN + timedelta(seconds=step * at))
    return history


def test_events_become_rates_between_two_moments_and_levels_stay() -> None:
    found = samples_of(
        history_of(
            evidence((0, 60), (0, 0), (0.5, None)),
            evidence((1, 120), (0, 0), (0.5, 0.7)),
            evidence((1, 180), (2, 60), (None, 0.9)),
        )
    )
    first, second, third = (BEGIN + timedelta(minutes=each) for each in range(3))
    assert found["errors"] == [SignalSample(second, 60.0, None), SignalSample(third, 0.0, 120.0)]
    assert found["cpu"] == [
        SignalSample(first, 0.5, None),
        SignalSample(second, 0.5, 0.7),
        SignalSample(third, None, 0.9),
    ]


def test_shares_of_requests_are_percent() -> None:
    def of(failed: int, requests: int) -> Evidence:
        events = Events(failed, requests)
        return Evidence(Containers(), rates=(EventRate("responses", Events(), events, events, unit=100.0),))

    assert samples_of(history_of(of(0, 100), of(5, 200)))["responses"][0].old == 5.0


def test_within_a_minute_nothing_is_added_and_nothing_is_known_of_nothing() -> None:
    one = evidence((0, 0), (0, 0), (None, None))
    assert len(history_of(one, one, one, step=10)) == 1
    assert samples_of(None) == samples_of([]) == {}


@given(st.integers(1, 3 * MOST_SAMPLES))
def test_however_long_it_takes_the_history_stays_short_and_reaches_to_its_end(count: int) -> None:
    history = history_of(*(evidence((at, at), (at, at), (1.0, 2.0)) for at in range(count)))
    assert len(history) <= MOST_SAMPLES
    assert history[0]["at"] == int(BEGIN.timestamp())
    assert history[-1]["at"] == int(BEGIN.timestamp()) + 60 * (count - 1)
    assert len({each["at"] for each in history}) == len(history)


@given(st.lists(st.tuples(st.integers(0, 50), st.floats(0, 1e6)), min_size=2, max_size=20))
def test_counts_that_fall_are_no_negative_rates(counts: list[tuple[int, float]]) -> None:
    found = samples_of(history_of(*(evidence(each, each, (None, None)) for each in counts)))
    assert all(each.old is None or each.old >= 0 for each in found["errors"])
