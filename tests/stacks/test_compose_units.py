"""The value formats of compose files: what each means, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.stacks.compose.value_formats import (
    parse_boolean,
    parse_milliseconds,
    parse_nano_cpus,
    parse_size,
)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("0", 0),
        ("1", 1),
        (1024, 1024),
        ("-1", -1),
        ("1b", 1),
        ("2k", 2048),
        ("2K", 2048),
        ("2kb", 2048),
        ("2kib", 2048),
        ("2KiB", 2048),
        ("512m", 512 << 20),
        ("512 m", 512 << 20),
        (" 512m ", 512 << 20),
        ("1g", 1 << 30),
        ("1GB", 1 << 30),
        ("1.5g", 3 << 29),
        ("0.5k", 512),
        ("1t", 1 << 40),
    ],
)
def test_a_size_in_bytes(text: Any, count: int):
    assert parse_size(text) == count


@pytest.mark.parametrize(
    "text", ["", " ", "m", "1x", "1mm", "1 2", "1,5g", "0x10", "1e3", "--1", "1..5", "٣", "1" * 30, None, [], True]
)
def test_an_invalid_size_is_refused_with_an_example(text: Any):
    with pytest.raises(ValueError, match="512m"):
        parse_size(text)


@given(st.integers(0, 10**15), st.sampled_from(["", "b", "k", "m", "g", "t"]))
def test_a_bigger_unit_is_never_smaller(number: int, unit: str):
    assert parse_size(f"{number}{unit}") >= number
    assert parse_size(f"{number}{unit}") == parse_size(f" {number}{unit.upper()} ")


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("0", 0),
        ("1", 1000),
        (2, 2000),
        (1.5, 1500),
        ("1s", 1000),
        ("500ms", 500),
        ("1000us", 1),
        ("999us", 0),
        ("1m", 60_000),
        ("1m30s", 90_000),
        ("1h", 3_600_000),
        ("1h1m1s1ms", 3_661_001),
        ("0.5s", 500),
        ("1.5m", 90_000),
        (" 10s ", 10_000),
    ],
)
def test_a_time_in_milliseconds(text: Any, count: int):
    assert parse_milliseconds(text) == count


@pytest.mark.parametrize("text", ["", "s", "1d", "1 s", "-1s", "1s ago", "1.s.5", "..", "1S", None, "s1", "1m 30s"])
def test_an_invalid_time_is_refused_with_an_example(text: Any):
    with pytest.raises(ValueError, match="1m30s"):
        parse_milliseconds(text)


@given(st.integers(0, 99), st.integers(0, 59), st.integers(0, 59))
def test_times_add_up(hours: int, minutes: int, seconds: int):
    assert parse_milliseconds(f"{hours}h{minutes}m{seconds}s") == ((hours * 60 + minutes) * 60 + seconds) * 1000


@pytest.mark.parametrize(
    ("text", "count"),
    [("0.5", 500_000_000), (2, 2 * 10**9), ("1", 10**9), (0.25, 250_000_000), (" 1.5 ", 1_500_000_000), ("0", 0)],
)
def test_processors_in_billionths(text: Any, count: int):
    assert parse_nano_cpus(text) == count


@pytest.mark.parametrize("text", ["", "half", "1,5", "nan", "inf", "-inf", None, [1], "1 2"])
def test_an_invalid_number_of_processors_is_refused(text: Any):
    with pytest.raises(ValueError, match="processors"):
        parse_nano_cpus(text)


@pytest.mark.parametrize("word", ["yes", "Yes", "YES", "on", "y", "true", "TRUE"])
def test_words_for_true(word: str):
    assert parse_boolean(word) is True


@pytest.mark.parametrize("word", ["no", "No", "off", "n", "N", "false", "False"])
def test_words_for_false(word: str):
    assert parse_boolean(word) is False


@pytest.mark.parametrize("value", [True, False, 1, 0, None, "perhaps", "", "1", " yes", ["yes"]])
def test_anything_else_is_left_to_the_check(value: Any):
    assert parse_boolean(value) is value
