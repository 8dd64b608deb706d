"""How long a session lives, and how many an account may have: the settings, as times."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from apps.core.defaults import setting_int

ANONYMOUS_SESSION_LIFETIME = timedelta(hours=1)
MIN_SESSION_LIFETIME = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class SessionLifetime:
    """How long a session may live, and how long it may lie unused (None: as long as it lives)."""

    max_age: timedelta
    idle: timedelta | None

    def expires_at(self, created: datetime, seen: datetime) -> datetime:
        """When a session that began at `created` and was used last at `seen` ends."""
        last = created + self.max_age
        return last if self.idle is None else min(last, seen + self.idle)


def session_lifetime() -> SessionLifetime:
    """What the settings say now; nonsense in them counts as a minute, so that it can be mended."""
    idle = setting_int("session.idle.minutes")
    max_age = timedelta(milliseconds=min(setting_int("api.auth.jwt.token.expiry"), 10**11))
    return SessionLifetime(
        max(max_age, MIN_SESSION_LIFETIME), timedelta(minutes=min(idle, 10**6)) if idle > 0 else None
    )


def max_sessions() -> int:
    """How many sessions an account may have at once; 0 is any number, 1 single-session mode."""
    return max(0, setting_int("session.limit"))
