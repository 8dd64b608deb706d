"""Cron expressions: what is refused with which reason, when they are due, and the two nights a year that are odd."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.errors import Invalid
from apps.stacks.cron import MAX_COUNTED, check_cron, check_time_zone, due_between, next_due, next_times, time_zones

BERLIN = "Europe/Berlin"
SPRING, AUTUMN = datetime(2026, 3, 28, 23, tzinfo=UTC), datetime(2026, 10, 24, 22, tzinfo=UTC)  # midnight in Berlin


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("", "MissingRequired", "say when it runs"),
        (7, "InvalidFormat", "is a text"),
        ("* * *", "InvalidFormat", "has 3 parts instead of 5"),
        ("0 * * * * *", "InvalidFormat", "has 6 parts instead of 5"),
        ("61 * * * *", "InvalidFormat", "'61' is no minute; use *, 0 to 59"),
        ("0 24 * * *", "InvalidFormat", "'24' is no hour"),
        ("0 0 32 * *", "InvalidFormat", "'32' is no day of the month"),
        ("0 0 * 13 *", "InvalidFormat", "'13' is no month"),
        ("0 0 * * MO", "InvalidFormat", "'MO' is no day of the week"),
        ("0 0 * * FRI-MON", "InvalidFormat", "'FRI-MON' is no day of the week"),
        ("*/0 * * * *", "InvalidFormat", "'*/0' is no minute"),
        ("0 0 30 2 *", "InvalidFormat", "a day that does not come"),
        ("* * */20 * 1L", "InvalidFormat", "a day that does not come"),
        ("@reboot", "InvalidFormat", "use @annually, @daily"),
        ("1," * 150 + "1 * * * *", "MaxLengthExceeded", "at most 200"),
    ],
)
def test_a_bad_expression_is_refused_with_the_part_that_is_wrong(text: object, code: str, words: str) -> None:
    with pytest.raises(Invalid) as caught:
        check_cron(text, "schedule.cron")
    assert (caught.value.field, caught.value.code) == ("schedule.cron", code)
    assert words in caught.value.message
    assert caught.value.message.startswith("schedule.cron")


def test_blanks_and_macros_are_made_plain() -> None:
    assert check_cron("  30  3 * *   mon-fri ", "cron") == "30 3 * * mon-fri"
    assert check_cron("@Daily", "cron") == "0 0 * * *"
    assert check_cron("0 0 29 2 *", "cron") == "0 0 29 2 *"  # comes every four years
    assert check_cron("0 0 LW * *", "cron") == "0 0 LW * *"


@given(
    st.one_of(st.text(max_size=30), st.from_regex(r"([0-9*/,LW#A-Z-]{1,6} ){4}[0-9*/,LW#A-Z-]{1,6}", fullmatch=True))
)
def test_whatever_is_typed_is_taken_or_refused(text: str) -> None:
    try:
        checked = check_cron(text, "cron")
    except Invalid:
        return
    assert next_due(checked, BERLIN, AUTUMN) is not None


@pytest.mark.parametrize("name", ["", "Berlin", "Europe/Bonn", "../etc/passwd", None, "localtime"])
def test_an_unknown_time_zone_is_refused(name: object) -> None:
    with pytest.raises(Invalid, match="is no time zone; use a name such as Europe/Berlin"):
        check_time_zone(name, "schedule.timeZone")


def test_the_time_zones_to_choose_from_are_known_ones() -> None:
    zones = time_zones()
    assert zones[0] == "UTC"
    assert {"Europe/Berlin", "America/New_York", "Asia/Shanghai"} <= set(zones)
    assert all(check_time_zone(name, "zone") == name for name in zones)


def clocks(text: str, after: datetime, count: int) -> list[str]:
    return [f"{each:%d. %H:%M%z}" for each in next_times(text, BERLIN, after, count)]


def test_what_is_due_in_the_hour_that_is_skipped_comes_right_after_it() -> None:
    assert clocks("30 2 * * *", SPRING, 2) == ["29. 03:00+0200", "30. 02:30+0200"]
    assert clocks("30 * * * *", SPRING, 3) == ["29. 00:30+0100", "29. 01:30+0100", "29. 03:30+0200"]
    assert clocks("30 1,2,3 * * *", SPRING, 4) == [
        "29. 01:30+0100",
        "29. 03:00+0200",
        "29. 03:30+0200",
        "30. 01:30+0200",
    ]


def test_what_is_due_in_the_hour_that_comes_twice_comes_once_unless_it_is_due_every_hour() -> None:
    assert clocks("30 2 * * *", AUTUMN, 2) == ["25. 02:30+0200", "26. 02:30+0100"]
    assert clocks("30 * * * *", AUTUMN, 5) == [
        "25. 00:30+0200",
        "25. 01:30+0200",
        "25. 02:30+0200",
        "25. 02:30+0100",
        "25. 03:30+0100",
    ]


@pytest.mark.parametrize(
    "text", ["30 2 * * *", "30 * * * *", "*/20 2 * * *", "15,45 1-3 * * *", "0 3 * * *", "0 2 * * 0"]
)
@pytest.mark.parametrize("night", [SPRING, AUTUMN])
def test_from_whatever_moment_one_looks_the_due_times_are_the_same(text: str, night: datetime) -> None:
    whole = [each.astimezone(UTC) for each in next_times(text, BERLIN, night - timedelta(hours=1), 40)]
    assert whole == sorted(set(whole))
    for minutes in range(0, 8 * 60, 7):
        moment = night + timedelta(minutes=minutes)
        assert next_due(text, BERLIN, moment) == next(each for each in whole if each > moment)


def test_a_stretch_says_its_first_its_last_and_how_many() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    assert due_between("0 12 * * *", "UTC", start, start + timedelta(hours=11)) is None
    found = due_between("0 12 * * *", "UTC", start, start + timedelta(days=3))
    assert found is not None
    assert (found.first, found.last, found.count) == (start.replace(hour=12), start.replace(day=3, hour=12), 3)
    exact = due_between("0 12 * * *", "UTC", start, start.replace(hour=12))
    assert exact is not None
    assert exact.last == start.replace(hour=12)  # the end belongs to it
    assert due_between("0 12 * * *", "UTC", start.replace(hour=12), start.replace(hour=12, second=1)) is None


@pytest.mark.parametrize(("text", "last"), [("* * * * *", (31, 23, 59)), ("*/2 3 * * *", (31, 3, 58))])
def test_a_very_long_stretch_is_not_walked_to_its_end(text: str, last: tuple[int, int, int]) -> None:
    found = due_between(text, "UTC", datetime(2000, 1, 1, tzinfo=UTC), datetime(2025, 12, 31, 23, 59, 30, tzinfo=UTC))
    assert found is not None
    assert found.count == MAX_COUNTED
    assert found.last == datetime(2025, 12, last[0], last[1], last[2], tzinfo=UTC)
