"""Points of statistics as bytes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.drivers.base import StatsSample
from apps.hosts.stats.encoding import (
    decode_points,
    decode_sample,
    encode_points,
    encode_sample,
    start_of_hour,
)
from apps.hosts.stats.live import StatsPoint

HOUR = datetime(2026, 1, 31, 12, tzinfo=UTC)
START = HOUR.timestamp()


def point(at: float, **more: Any) -> StatsPoint:
    zero = dict.fromkeys(("cpu", "memory", "memory_limit", "net_rx", "net_tx", "disk_read", "disk_write"), 0.0)
    found: Any = {"at": START + at, **zero, **more}
    return found


def test_what_was_packed_comes_back() -> None:
    points = [
        point(0, cpu=12.34, memory=4096.0, memory_limit=8192.0, net_rx=7.0),
        point(3599, cpu=100.0, net_tx=1.0, disk_read=2.0, disk_write=3.0),
    ]
    assert decode_points(encode_points(points, HOUR), HOUR) == points


def test_they_come_back_in_times_order() -> None:
    assert [p["at"] - START for p in decode_points(encode_points([point(120), point(60)], HOUR), HOUR)] == [60, 120]


@given(
    st.lists(st.tuples(st.integers(0, 3599), st.floats(0, 100), st.floats(0, 2**50), st.floats(0, 2**50)), max_size=60)
)
def test_any_numbers_survive_within_their_units(rows: list[tuple[int, float, float, float]]) -> None:
    points = [point(at, cpu=cpu, memory=memory, net_rx=rx) for at, cpu, memory, rx in rows]
    found = decode_points(encode_points(points, HOUR), HOUR)
    assert len(found) == len(points)
    for was, now in zip(sorted(points, key=lambda each: each["at"]), found, strict=True):
        assert abs(was["cpu"] - now["cpu"]) <= 0.0051
        assert now["memory"] <= was["memory"] or now["memory"] == (2**32 - 1) * 1024
        assert now["net_rx"] <= 2**32 - 1


@pytest.mark.parametrize("data", [b"", b"nonsense", b"x\x9c", memoryview(b"")])
def test_what_cannot_be_read_is_no_point(data: Any) -> None:
    assert decode_points(data, HOUR) == []


def test_nothing_is_no_bytes() -> None:
    assert encode_points([], HOUR) == b""


def test_counters_come_back() -> None:
    sample = StatsSample(1.5, 10, 4, 20, 30, 40, 50, 60, 70)
    assert decode_sample(encode_sample(sample)) == sample
    assert decode_sample(memoryview(encode_sample(sample))) == sample


@pytest.mark.parametrize("data", [b"", b"x" * 71, b"x" * 73])
def test_other_bytes_are_no_counters(data: bytes) -> None:
    assert decode_sample(data) is None


@pytest.mark.parametrize(("at", "minute"), [(START, 0), (START + 3599.9, 0), (START + 3600, 60), (START - 0.1, -60)])
def test_the_hour_of_a_time(at: float, minute: int) -> None:
    assert start_of_hour(at).timestamp() == START + minute * 60


def test_a_day_of_a_busy_container_stays_small() -> None:
    """What docs/performance.md says: a busy one takes less than 30 kB a day, an idle one a tenth of it."""
    busy = [
        point(at * 60, cpu=(at * 37 % 100) / 1.01, memory=1e8 + at * 4096 * 977, memory_limit=2e9, net_rx=at * 7919.0)
        for at in range(60)
    ]
    idle = [point(at * 60, cpu=0.1, memory=1e7, memory_limit=2e9) for at in range(60)]
    assert len(encode_points(busy, HOUR)) * 24 < 30_000
    assert len(encode_points(idle, HOUR)) * 24 < 3_000
