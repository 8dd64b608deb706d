"""When to warn that a certificate expires: 30, 14, 7 and 1 days before, and on that day; pure."""

from __future__ import annotations

from datetime import datetime, timedelta

WARN_BEFORE_DAYS = (30, 14, 7, 1, 0)
SOON = timedelta(days=WARN_BEFORE_DAYS[0])


def renewal_time(issued_at: datetime, expires_at: datetime) -> datetime:
    """When what renews itself is renewed: two thirds of its life are over, whether that is 90 days or six."""
    return expires_at - (expires_at - issued_at) / 3


def is_soon(issued_at: datetime, expires_at: datetime, now: datetime, *, renews: bool = False) -> bool:
    """Whether people should know: a month before, or once a renewal that should be done by now is late."""
    return expires_at - now <= ((expires_at - issued_at) / 4 if renews else SOON)


def due_warning(issued_at: datetime, expires_at: datetime, now: datetime, *, renews: bool = False) -> int | None:
    """The smallest of these numbers of days that is reached; None while there is more time."""
    if not is_soon(issued_at, expires_at, now, renews=renews):
        return None
    left = expires_at - now
    return min((days for days in WARN_BEFORE_DAYS if left <= timedelta(days=days)), default=None)


def next_change(issued_at: datetime, expires_at: datetime, now: datetime, *, renews: bool = False) -> datetime | None:
    """When there is something new to say: it becomes valid, a warning or renewal is due, or it expires; None: never."""
    times = [issued_at, *(expires_at - timedelta(days=days) for days in WARN_BEFORE_DAYS)]
    if renews:
        times += [renewal_time(issued_at, expires_at), expires_at - (expires_at - issued_at) / 4]
    return min((each for each in times if each > now), default=None)


def warning_mark(fingerprint: str, days: int) -> str:
    """What says that a warning was given: for a renewed certificate they begin anew."""
    return f"{days}@{fingerprint}"


def is_given(mark: str, fingerprint: str, days: int) -> bool:
    """Whether this warning or a later one was given: also where the clock was set back since."""
    given, _at, of = mark.partition("@")
    return of == fingerprint and given.isdigit() and int(given) <= days
