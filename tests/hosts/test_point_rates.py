"""Points are rates between counters: never negative, never more than the machine, whatever the counters do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.errors import Invalid
from apps.drivers.base import StatsSample
from apps.hosts.stats.history import MOST_HOURS, downsample, parse_hours
from apps.hosts.stats.live import StatsPoint, point_between, points

COUNTERS = st.integers(0, 2**50)
SAMPLES = st.builds(
    StatsSample,
    st.floats(1e9, 2e9),
    COUNTERS,
    st.integers(0, 256),
    COUNTERS,
    COUNTERS,
    COUNTERS,
    COUNTERS,
    COUNTERS,
    COUNTERS,
)
FIGURES = ("net_rx", "net_tx", "disk_read", "disk_write")
START = StatsSample(1000.0, 0, 2, 10, 20, 0, 0, 0, 0)


@pytest.mark.parametrize(
    ("span", "used", "cpus", "percent"),
    [
        pytest.param(1.0, 0, 1, 0.0, id="idle"),
        pytest.param(1.0, 10**9, 1, 100.0, id="one of one"),
        pytest.param(1.0, 10**9, 4, 25.0, id="one of four"),
        pytest.param(2.0, 10**9, 1, 50.0, id="half the time"),
        pytest.param(60.0, 3 * 10**9, 2, 2.5, id="a minute"),
        pytest.param(1.0, 5 * 10**9, 2, 100.0, id="never above the machine"),
        pytest.param(1.0, 10**9, 0, 100.0, id="an engine that names no processors has one"),
        pytest.param(3.0, 10**9, 1, 33.33, id="two digits"),
    ],
)
def test_processor_time_is_a_percentage_of_the_machine(span: float, used: int, cpus: int, percent: float) -> None:
    now = replace(START, at=1000.0 + span, cpu_ns=used, cpus=cpus)
    assert point_between(START, now)["cpu"] == percent


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize(
    ("before", "now", "span", "speed"),
    [
        (0, 1000, 1.0, 1000.0),
        (0, 1000, 4.0, 250.0),
        (500, 500, 1.0, 0.0),
        (500, 20, 1.0, 0.0),
        (0, 1, 3.0, 0.3),
    ],
)
def test_traffic_is_bytes_a_second(name: str, before: int, now: int, span: float, speed: float) -> None:
    old = replace(START, **{name: before})
    new = replace(START, at=START.at + span, **{name: now})
    point: Any = point_between(old, new)
    assert point[name] == speed
    assert all(point[other] == 0.0 for other in FIGURES if other != name)


def test_memory_is_the_newer_sample_s() -> None:
    point = point_between(START, replace(START, at=1001.0, memory=77, memory_limit=99))
    assert (point["at"], point["memory"], point["memory_limit"]) == (1001.0, 77.0, 99.0)


@given(SAMPLES, SAMPLES)
def test_no_two_samples_make_an_impossible_point(before: StatsSample, now: StatsSample) -> None:
    point: Any = point_between(before, now)
    assert 0.0 <= point["cpu"] <= 100.0
    assert all(point[name] >= 0.0 for name in FIGURES)
    assert point["at"] == now.at


@given(SAMPLES)
def test_the_same_sample_twice_is_a_point_of_nothing(sample: StatsSample) -> None:
    point: Any = point_between(sample, sample)
    assert [point[name] for name in ("cpu", *FIGURES)] == [0.0] * 5


@given(st.lists(SAMPLES, max_size=6))
def test_there_is_one_point_fewer_than_samples(samples: list[StatsSample]) -> None:
    found = list(points(samples))
    assert len(found) == max(0, len(samples) - 1)
    assert [point["at"] for point in found] == [sample.at for sample in samples[1:]]


def point(at: float, cpu: float = 0.0, **more: float) -> StatsPoint:
    zero = dict.fromkeys(("memory", "memory_limit", *FIGURES), 0.0)
    found: Any = {"at": at, "cpu": cpu, **zero, **more}
    return found


LISTS = st.lists(st.floats(0, 100), max_size=80).map(lambda cpus: [point(float(n), cpu) for n, cpu in enumerate(cpus)])


@given(LISTS, st.integers(1, 20))
def test_thinning_keeps_the_bound_the_end_and_the_range(found: list[StatsPoint], most: int) -> None:
    thin = downsample(found, most)
    assert len(thin) <= most
    assert [each["at"] for each in thin[-1:]] == [each["at"] for each in found[-1:]]
    if found:
        cpus = [each["cpu"] for each in found]
        assert all(min(cpus) - 0.01 <= each["cpu"] <= max(cpus) + 0.01 for each in thin)
    assert [each["at"] for each in thin] == sorted(each["at"] for each in thin)


def test_few_points_are_left_as_they_are() -> None:
    found = [point(1.0, 33.333), point(2.0)]
    assert downsample(found, 2) is found
    assert downsample([], 5) == []


def test_a_mean_takes_the_last_limit_and_the_last_time() -> None:
    found = [point(1.0, 10.0, memory=2.0, memory_limit=8.0), point(2.0, 20.0, memory=4.0, memory_limit=16.0)]
    (only,) = downsample(found, 1)
    assert only == point(2.0, 15.0, memory=3.0, memory_limit=16.0)


def test_a_rest_that_does_not_fill_a_group_is_a_mean_of_its_own() -> None:
    assert [each["cpu"] for each in downsample([point(float(n), float(n)) for n in range(5)], 3)] == [0.5, 2.5, 4.0]


@given(st.integers(1, MOST_HOURS))
def test_every_number_of_hours_that_may_be_asked_for_is_read(hours: int) -> None:
    assert parse_hours(str(hours)) == hours


@pytest.mark.parametrize("text", ["0", "745", "99999", "100000", "-1", "1.5", "1e2", "١", " 1", "0x1", "NaN"])
def test_other_hours_are_refused_at_their_field(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        parse_hours(text)
    assert refused.value.field == "hours"
