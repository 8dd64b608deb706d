"""What the evidence says: signal by signal, and all together."""

from __future__ import annotations

import random
from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.stacks.verdict.judgement import BAD, GOOD, UNCLEAR, WATCHING, describe, judge
from apps.stacks.verdict.signals import (
    LEVEL_AT_END,
    LEVEL_BEFORE_END,
    MAX_SAMPLES,
    NOT_WORSE,
    UNKNOWN,
    WORSE,
    Containers,
    EventRate,
    Events,
    Evidence,
    Finding,
    Level,
    thinned,
)

HOUR = 3600.0
WELL = Containers(seen=2)


def rate(old: int, new: int, *, beside: int = 0, minutes: float = 10, **more: Any) -> EventRate:
    """Events of three old containers in the hour before and some minutes since, and of one new one in these."""
    since = 60 * minutes
    return EventRate("restarts", Events(old, 3 * HOUR), Events(beside, 3 * since), Events(new, since), **more)


def level(old: list[float], new: list[float], **more: Any) -> Level:
    return Level("memory", "bytes", beside=old, new=new, **more)


RATES: dict[str, tuple[EventRate, str]] = {
    "none on either side": (rate(0, 0), NOT_WORSE),
    "one restart proves nothing": (rate(0, 1), NOT_WORSE),
    "three where there were none": (rate(0, 3), WORSE),
    "as many as before": (rate(18, 1), NOT_WORSE),
    "more than before, by chance perhaps": (rate(18, 3), NOT_WORSE),
    "the old ones meanwhile as well": (rate(0, 3, beside=9), NOT_WORSE),
    "many more than the old ones meanwhile": (rate(0, 20, beside=3), WORSE),
    "no time of the new ones": (EventRate("restarts", Events(0, HOUR), Events(), Events()), UNKNOWN),
    "nothing to compare with": (EventRate("restarts", Events(), Events(), Events(1, HOUR)), UNKNOWN),
    "nothing to compare, and nothing happened": (EventRate("restarts", Events(), Events(), Events(0, HOUR)), NOT_WORSE),
    "that nobody can count": (rate(0, 3, missing="No logs are kept there."), UNKNOWN),
    "certain, and of no importance": (
        EventRate("errors", Events(1000, HOUR), Events(), Events(1300, HOUR), factor=2.0),
        NOT_WORSE,
    ),
}


@pytest.mark.parametrize("case", RATES)
def test_a_rate_is_worse_when_it_is_certain_and_matters(case: str) -> None:
    signal, word = RATES[case]
    found = signal.find(LEVEL_AT_END)
    assert found.word == word
    assert found.p is None or 0 <= found.p <= 1


def test_old_events_meanwhile_leave_the_same_time_only() -> None:
    assert rate(5, 1).old == Events(5, 3 * HOUR + 1800)
    assert rate(5, 1, beside=2).old == Events(2, 1800)
    assert Events().per(3600) is None
    assert Events(3, 1800).per(3600) == 6


LEVELS: dict[str, tuple[Level, str]] = {
    "the same": (level([10, 11, 12, 13, 14], [10, 11, 12, 13, 14]), NOT_WORSE),
    "twice as much": (level([10, 11, 12, 13, 14], [20, 21, 22, 23, 24]), WORSE),
    "half": (level([20, 21, 22, 23, 24], [10, 11, 12, 13, 14]), NOT_WORSE),
    "certain, and too little to matter": (level([100, 101, 102, 103, 104], [110, 111, 112, 113, 114]), NOT_WORSE),
    "many times nearly nothing": (level([1, 1, 1, 1, 1.5], [4, 4, 4, 4, 5], least=10), NOT_WORSE),
    "too few samples": (level([1, 1, 1, 1], [9, 9, 9]), UNKNOWN),
    "no samples": (level([], []), UNKNOWN),
    "four of each are enough only if all are higher": (level([1, 2, 3, 4], [8, 9, 10, 3.5]), NOT_WORSE),
    "those of before, as there are none beside": (
        Level("cpu", "cores", before=[1, 1.1, 1.2, 1.3, 1.4], new=[3, 3.1, 3.2, 3.3, 3.4]),
        WORSE,
    ),
    "that nobody measured": (level([1] * 5, [9] * 5, missing="The host tells nothing."), UNKNOWN),
}


@pytest.mark.parametrize("case", LEVELS)
def test_a_level_is_worse_when_it_is_certain_and_matters(case: str) -> None:
    signal, word = LEVELS[case]
    assert signal.find(LEVEL_AT_END).word == word


def test_samples_are_bounded() -> None:
    values = [float(each) for each in range(1000)]
    kept = thinned(values)
    assert len(kept) == MAX_SAMPLES
    assert (kept[0], kept[-1] > 980) == (0, True)
    assert thinned(values[:5]) == values[:5]


CONDITIONS: dict[str, tuple[Containers, str, str]] = {
    "up, without a check": (WELL, NOT_WORSE, UNKNOWN),
    "up and healthy": (Containers(seen=2, is_checked=True), NOT_WORSE, NOT_WORSE),
    "none yet": (Containers(), UNKNOWN, UNKNOWN),
    "starting": (Containers(seen=2, unready=["web_1: starting"]), UNKNOWN, UNKNOWN),
    "crashing": (Containers(seen=2, crashing=["web_1: exit code 1"]), WORSE, UNKNOWN),
    "failed": (Containers(seen=2, failed=["web_1: no such image"]), WORSE, UNKNOWN),
    "unhealthy": (Containers(seen=2, unhealthy=["web_1: fails"], is_checked=True), NOT_WORSE, WORSE),
}


@pytest.mark.parametrize("case", CONDITIONS)
def test_how_containers_are_needs_no_statistics(case: str) -> None:
    condition, running, health = CONDITIONS[case]
    assert [each.word for each in condition.find()] == [running, health]


def verdict(containers: Containers = WELL, *, is_over: bool = True, **evidence: Any) -> str:
    return judge(Evidence(containers, **evidence), is_over=is_over).verdict


def test_a_quiet_service_that_stays_up_is_good_in_the_end() -> None:
    assert verdict(is_over=False) == WATCHING
    assert verdict() == GOOD
    assert verdict(rates=[rate(0, 0)], levels=[level([], [])]) == GOOD


def test_what_is_not_up_in_the_end_is_unclear() -> None:
    assert verdict(Containers()) == UNCLEAR
    assert verdict(Containers(seen=1, unready=["web_1: starting"])) == UNCLEAR
    assert verdict(Containers(seen=1, unready=["web_1: initializing"], is_checked=True)) == UNCLEAR


def test_one_bad_signal_is_enough_and_plain_facts_count_at_once() -> None:
    assert verdict(Containers(seen=1, crashing=["web_1: exit code 1"]), is_over=False) == BAD
    assert verdict(Containers(seen=1, unhealthy=["web_1"], is_checked=True), is_over=False) == BAD
    assert verdict(rates=[rate(0, 3)]) == BAD
    assert verdict(levels=[level([1, 2, 3, 4, 5], [11, 12, 13, 14, 15])]) == BAD


def test_before_the_end_it_takes_much_stronger_evidence() -> None:
    some, much = rate(0, 2), rate(0, 3)
    assert LEVEL_BEFORE_END < (some.find(1).p or 0) < LEVEL_AT_END
    assert verdict(rates=[some], is_over=False) == WATCHING
    assert verdict(rates=[much], is_over=False) == BAD


def test_equal_old_and_new_ones_are_seldom_called_bad() -> None:
    chance = random.Random(3)  # noqa: S311
    bad = 0
    for _ in range(300):
        cpu, memory = ([[chance.lognormvariate(0, 0.5) for _ in range(10)] for _ in range(2)] for _ in range(2))
        found = [level(*cpu), level(*memory)]
        bad += verdict(levels=found, rates=[rate(chance.randint(0, 9), chance.randint(0, 1))]) == BAD
    assert bad <= 12


@given(old=st.integers(0, 40), beside=st.integers(0, 40), new=st.integers(0, 40), is_over=st.booleans())
def test_more_trouble_never_makes_a_verdict_better(*, old: int, beside: int, new: int, is_over: bool) -> None:
    order = {GOOD: 0, WATCHING: 0, UNCLEAR: 1, BAD: 2}
    less = verdict(rates=[rate(old, new, beside=beside)], is_over=is_over)
    more = verdict(rates=[rate(old, new + 1, beside=beside)], is_over=is_over)
    assert order[more] >= order[less]


def test_a_judgement_says_why() -> None:
    found = judge(Evidence(WELL, rates=[rate(0, 3)]), is_over=True)
    assert found.summary == "restarts: 18 instead of 0, chance 9.4e-05"
    crash = judge(Evidence(Containers(seen=1, crashing=["web_1: exit code 3"])), is_over=False)
    assert crash.summary == "running: web_1: exit code 3"
    assert judge(Evidence(WELL), is_over=True).summary == "Nothing is worse than before."
    assert judge(Evidence(Containers()), is_over=True).summary == "running: None has been started yet."
    assert describe(Finding("cpu", UNKNOWN)) == "cpu: unknown"


def test_a_finding_is_stored_as_plain_values() -> None:
    found = rate(0, 3).find(LEVEL_AT_END)
    assert asdict(found)["counts"] == (0, 3)
    assert Finding(**asdict(found)) == found
