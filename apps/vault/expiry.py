"""When to warn that a certificate expires: 30, 14, 7 and 1 days before, and on that day; pure."""

from __future__ import annotations

from datetime import datetime, timedelta

WARN_BEFORE_DAYS = (30, 14, 7, 1, 0)
SOON = timedelta(days=WARN_BEFORE_DAYS[0])


def due_warning(expires_at: datetime, now: datetime) -> int | None:
    """The smallest of these numbers of days that is reached; None while there is more time."""
    left = expires_at - now
    return min((days for days in WARN_BEFORE_DAYS if left <= timedelta(days=days)), default=None)


def next_change(issued_at: datetime, expires_at: datetime, now: datetime) -> datetime | None:
    """When there is something new to say: it becomes valid, a warning is due, or it expires; None: never again."""
    times = (issued_at, *(expires_at - timedelta(days=days) for days in WARN_BEFORE_DAYS))
    return min((each for each in times if each > now), default=None)


def warning_mark(fingerprint: str, days: int) -> str:
    """What says that a warning was given: for a renewed certificate they begin anew."""
    return f"{days}@{fingerprint}"


def is_given(mark: str, fingerprint: str, days: int) -> bool:
    """Whether this warning or a later one was given: also where the clock was set back since."""
    given, _at, of = mark.partition("@")
    return of == fingerprint and given.isdigit() and int(given) <= days
