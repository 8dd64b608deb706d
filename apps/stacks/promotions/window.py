"""Change windows: at which hours of which days something may be changed, in a time zone. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from apps.core.errors import Invalid
from apps.stacks.cron import check_time_zone

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_CLOCK = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]", re.ASCII)


@dataclass(frozen=True, slots=True)
class ChangeWindow:
    """Open on `days` from `start` to `end` (HH:MM), as clocks of the time zone show them; without days always.

    A window that ends before it starts goes on after midnight; one that ends when it starts is the whole day.
    """

    days: tuple[str, ...] = ()
    start: str = "00:00"
    end: str = "00:00"
    time_zone: str = "UTC"

    def is_open(self, moment: datetime) -> bool:
        """Whether something may be changed at this moment."""
        if not self.days:
            return True
        local = moment.astimezone(ZoneInfo(self.time_zone))
        clock, start, end = local.strftime("%H:%M"), self.start, self.end
        today = DAYS[local.weekday()] in self.days
        if start < end:
            return today and start <= clock < end
        yesterday = DAYS[(local.weekday() - 1) % 7] in self.days
        return (today and clock >= start) or (yesterday and clock < end)

    def opens_at(self, moment: datetime) -> datetime:
        """When it is open next: this moment while it is."""
        if self.is_open(moment):
            return moment
        today = moment.astimezone(ZoneInfo(self.time_zone)).date()
        starts = (self._start_on(today + timedelta(days=count)) for count in range(9))
        return min(each for each in starts if each is not None and each > moment)

    def _start_on(self, day: date) -> datetime | None:
        if DAYS[day.weekday()] not in self.days:
            return None
        hour, minute = map(int, self.start.split(":"))
        return datetime.combine(day, time(hour, minute), ZoneInfo(self.time_zone)).astimezone(UTC)

    def describe(self) -> str:
        """The window for a person, such as `monday, tuesday 22:00-04:00 Europe/Berlin`; empty for none."""
        if not self.days:
            return ""
        return f"{', '.join(self.days)} {self.start}-{self.end} {self.time_zone}"


def parse_window(days: Any, start: Any, end: Any, time_zone: Any) -> ChangeWindow:
    """The window that somebody wrote, its days in their order. Raises `Invalid`."""
    return ChangeWindow(
        _check_days(days), _check_clock(start, "windowStart"), _check_clock(end, "windowEnd"), _check_zone(time_zone)
    )


def _check_days(days: Any) -> tuple[str, ...]:
    if not isinstance(days, list | tuple):
        raise Invalid("windowDays", "InvalidFormat", f"windowDays is a list of: {', '.join(DAYS)}.")
    names = [str(each).strip().lower() for each in days]
    wrong = next((each for each in names if each not in DAYS), None)
    if wrong is not None:
        raise Invalid("windowDays", "InvalidOption", f"{wrong[:20]!r} is no day: use {', '.join(DAYS)}.")
    return tuple(each for each in DAYS if each in names)


def _check_clock(text: Any, field: str) -> str:
    if not isinstance(text, str) or not _CLOCK.fullmatch(text):
        raise Invalid(field, "InvalidFormat", f"{field} is a time of day such as 22:00.")
    return text


def _check_zone(name: Any) -> str:
    return check_time_zone(name, "windowTimeZone")
