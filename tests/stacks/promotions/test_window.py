"""Change windows: open or not, when next, over midnight and in a time zone; what is no window is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from apps.core.errors import Invalid
from apps.stacks.promotions.window import DAYS, ChangeWindow, parse_window

WORKDAYS = DAYS[:5]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_without_days_it_is_always_open():
    window = ChangeWindow()
    moment = at("2026-06-06 03:00")
    assert (window.is_open(moment), window.opens_at(moment), window.describe()) == (True, moment, "")


@pytest.mark.parametrize(
    ("window", "moment", "is_open", "opens"),
    [
        (ChangeWindow(WORKDAYS, "09:00", "17:00"), "2026-06-01 09:00", True, "2026-06-01 09:00"),
        (ChangeWindow(WORKDAYS, "09:00", "17:00"), "2026-06-01 08:59", False, "2026-06-01 09:00"),
        (ChangeWindow(WORKDAYS, "09:00", "17:00"), "2026-06-01 17:00", False, "2026-06-02 09:00"),
        (ChangeWindow(WORKDAYS, "09:00", "17:00"), "2026-06-05 17:00", False, "2026-06-08 09:00"),
        # Friday's goes on into Saturday, and Saturday has none of its own.
        (ChangeWindow(WORKDAYS, "22:00", "04:00"), "2026-06-06 03:59", True, "2026-06-06 03:59"),
        (ChangeWindow(WORKDAYS, "22:00", "04:00"), "2026-06-06 04:00", False, "2026-06-08 22:00"),
        (ChangeWindow(WORKDAYS, "22:00", "04:00"), "2026-06-08 01:00", False, "2026-06-08 22:00"),
        (ChangeWindow(("sunday",), "00:00", "00:00"), "2026-06-07 23:59", True, "2026-06-07 23:59"),
        (ChangeWindow(("sunday",), "00:00", "00:00"), "2026-06-08 00:00", False, "2026-06-14 00:00"),
        # Berlin is two hours ahead in summer, one in winter.
        (ChangeWindow(WORKDAYS, "09:00", "10:00", "Europe/Berlin"), "2026-06-01 07:30", True, "2026-06-01 07:30"),
        (ChangeWindow(WORKDAYS, "09:00", "10:00", "Europe/Berlin"), "2026-12-01 07:30", False, "2026-12-01 08:00"),
        # Late on Sunday in UTC it is Monday there.
        (ChangeWindow(("monday",), "00:00", "02:00", "Europe/Berlin"), "2026-06-07 22:30", True, "2026-06-07 22:30"),
    ],
)
def test_open_or_when_next(window: ChangeWindow, moment: str, is_open: bool, opens: str):
    assert window.is_open(at(moment)) is is_open
    assert window.opens_at(at(moment)) == at(opens)


def test_a_window_is_read_as_people_write_it():
    window = parse_window(["Friday", " monday "], "22:00", "04:00", "Europe/Berlin")
    assert window == ChangeWindow(("monday", "friday"), "22:00", "04:00", "Europe/Berlin")
    assert window.describe() == "monday, friday 22:00-04:00 Europe/Berlin"


@pytest.mark.parametrize(
    ("values", "field", "words"),
    [
        (("monday", "22:00", "04:00", "UTC"), "windowDays", "a list"),
        ((["moonday"], "22:00", "04:00", "UTC"), "windowDays", "'moonday' is no day"),
        ((["monday"], "24:00", "04:00", "UTC"), "windowStart", "22:00"),
        ((["monday"], "22:00", "4", "UTC"), "windowEnd", "22:00"),
        ((["monday"], "22:00", None, "UTC"), "windowEnd", "22:00"),
        ((["monday"], "22:00", "04:00", "Mars/Phobos"), "windowTimeZone", "no time zone"),
    ],
)
def test_what_is_no_window_is_refused(values: tuple[Any, ...], field: str, words: str):
    with pytest.raises(Invalid) as refused:
        parse_window(*values)
    assert refused.value.field == field
    assert words in refused.value.message
