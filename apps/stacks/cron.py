"""Cron expressions: when one is due, in a time zone. Pure.

Daylight saving is Debian cron's: what is due at a fixed hour comes right after an hour that is skipped, and once in an
hour that comes twice; what is due every hour or more often follows the time that passes.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

from apps.core.errors import Invalid
from apps.core.plurals import counted

MAX_LENGTH = 200
MAX_COUNTED = 1000  # due times between two moments; of more it is only said that they are more
_HORIZON = timedelta(days=5 * 366)  # a leap day comes within it
_MACROS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_FIELDS = (
    ("minute", "0 to 59"),
    ("hour", "0 to 23"),
    ("day of the month", "1 to 31, or L for the last one"),
    ("month", "1 to 12, or JAN to DEC"),
    ("day of the week", "0 to 7, where 0 and 7 are Sunday, or SUN to SAT"),
)
_REMEDY = "write minute, hour, day of the month, month and day of the week, such as 30 3 * * MON-FRI"
_WINDOWS = (timedelta(hours=25), timedelta(days=8), timedelta(days=32), timedelta(days=367), _HORIZON)


@dataclass(frozen=True, slots=True)
class DueTimes:
    """The due times of a stretch of time: the first, the last, and how many, counted up to `MAX_COUNTED`."""

    first: datetime
    last: datetime
    count: int


def check_cron(expression: object, field: str) -> str:
    """The expression as it is stored, with single blanks. Raises `Invalid`, which says which part is wrong."""
    if not isinstance(expression, str):
        raise Invalid(field, "InvalidFormat", f"{field}: a cron expression is a text; {_REMEDY}.")
    text = " ".join(expression.split())
    if not text:
        raise Invalid(field, "MissingRequired", f"{field}: say when it runs; {_REMEDY}.")
    if len(text) > MAX_LENGTH:
        raise Invalid(field, "MaxLengthExceeded", f"{field} has at most {MAX_LENGTH} characters.")
    text = _MACROS.get(text.lower(), text)
    if text.startswith("@"):
        known = ", ".join(sorted(_MACROS))
        raise Invalid(field, "InvalidFormat", f"{field}: {text[:40]!r} is not known; use {known}, or {_REMEDY}.")
    parts = text.split(" ")
    if len(parts) != len(_FIELDS):
        why = f"{field}: {text[:60]!r} has {counted(len(parts), 'part')} instead of {len(_FIELDS)}; {_REMEDY}."
        raise Invalid(field, "InvalidFormat", why)
    for place, part in enumerate(parts):
        _check_part(place, part, field)
    _check_comes(text, field)
    return text


def _check_part(place: int, part: str, field: str) -> None:
    """Try one part by itself, so that what is wrong can be named."""
    name, range_text = _FIELDS[place]
    alone = ["*"] * len(_FIELDS)
    alone[place] = part
    if not _is_readable(" ".join(alone)):
        remedy = f"use *, {range_text}, lists (1,3), ranges (1-5) and steps (*/2)"
        raise Invalid(field, "InvalidFormat", f"{field}: {part[:40]!r} is no {name}; {remedy}.")


def _is_readable(text: str) -> bool:
    try:
        CronSim(text, datetime(2024, 1, 1, tzinfo=UTC))
    except (CronSimError, ValueError, AssertionError, RecursionError):
        return False
    return True


def _check_comes(text: str, field: str) -> None:
    start = datetime(2024, 1, 1, tzinfo=UTC)
    if not _is_readable(text) or next_due(text, "UTC", start) is None:
        why = f"{field}: {text!r} names a day that does not come; look at the day of the month and the month."
        raise Invalid(field, "InvalidFormat", why)


def check_time_zone(name: object, field: str) -> str:
    """The name of the time zone. Raises `Invalid`."""
    if not isinstance(name, str) or name not in _time_zones():
        why = f"{field}: {str(name)[:60]!r} is no time zone; use a name such as Europe/Berlin, or UTC."
        raise Invalid(field, "InvalidOption", why)
    return name


@functools.cache
def _time_zones() -> frozenset[str]:
    return frozenset(available_timezones() - {"localtime", "Factory"})


def time_zones() -> list[str]:
    """The names to choose from, UTC first."""
    return ["UTC", *sorted(name for name in _time_zones() if "/" in name and not name.startswith("Etc/"))]


def _due_after(text: str, zone: str, moment: datetime) -> Iterator[datetime]:
    """The due times after a moment, in order, in UTC."""
    last = moment
    for found in CronSim(text, moment.astimezone(ZoneInfo(zone))):
        due = found.astimezone(UTC)
        if due > last:  # an hour that comes twice must not lead back
            last = due
            yield due


def next_due(text: str, zone: str, after: datetime) -> datetime | None:
    """The first due time after a moment; None if none comes within some years."""
    found = next(_due_after(text, zone, after), None)
    return found if found is not None and found - after <= _HORIZON else None


def next_times(text: str, zone: str, after: datetime, count: int) -> list[datetime]:
    """The next due times, as they are called in the time zone."""
    return [each.astimezone(ZoneInfo(zone)) for each in islice(_due_after(text, zone, after), count)]


def due_between(text: str, zone: str, after: datetime, until: datetime) -> DueTimes | None:
    """The due times after one moment up to another; None without any."""
    found: list[datetime] = []
    for due in _due_after(text, zone, after):
        if due > until or len(found) == MAX_COUNTED:
            break
        found.append(due)
    if not found:
        return None
    last = found[-1] if len(found) < MAX_COUNTED else _last_until(text, zone, found[-1], until)
    return DueTimes(found[0], last, len(found))


def _last_until(text: str, zone: str, known: datetime, until: datetime) -> datetime:
    """The last due time of a long stretch, looked for near its end, though forwards, because of odd nights."""
    for window in _WINDOWS:
        start = max(known, until - window)
        last = known
        for due in _due_after(text, zone, start):
            if due > until:
                break
            last = due
        if last > known or start == known:
            return last
    return known
