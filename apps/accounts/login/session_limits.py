"""How long sessions last, and how many an account may have: the settings, parsed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from apps.core.defaults import setting_int

ANONYMOUS_SESSION_LIFETIME = timedelta(hours=1)
MIN_SESSION_LIFETIME = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class SessionLifetime:
    """The longest age of a session, and the longest time unused (None: no limit of its own)."""

    max_age: timedelta
    idle: timedelta | None

    def expires_at(self, created: datetime, last_seen: datetime) -> datetime:
        """When a session that began at `created` and was last used at `last_seen` ends."""
        last = created + self.max_age
        return last if self.idle is None else min(last, last_seen + self.idle)


def session_lifetime() -> SessionLifetime:
    """The settings now in force; too small a value counts as a minute, so that it can still be corrected."""
    idle = setting_int("session.idle.minutes")
    max_age = timedelta(milliseconds=min(setting_int("api.auth.jwt.token.expiry"), 10**11))
    return SessionLifetime(
        max(max_age, MIN_SESSION_LIFETIME), timedelta(minutes=min(idle, 10**6)) if idle > 0 else None
    )


def max_sessions() -> int:
    """How many sessions an account may have at once; 0 is any number, 1 single-session mode."""
    return max(0, setting_int("session.limit"))
