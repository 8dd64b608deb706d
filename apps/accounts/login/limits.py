"""How long a session lives, and how many an account may have: the settings, as times."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from apps.core.defaults import setting_int

BEFORE_LOGIN = timedelta(hours=1)
SHORTEST = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Life:
    """How long a session may live, and how long it may lie unused (None: as long as it lives)."""

    whole: timedelta
    idle: timedelta | None

    def end(self, created: datetime, seen: datetime) -> datetime:
        """When a session that began at `created` and was used last at `seen` ends."""
        last = created + self.whole
        return last if self.idle is None else min(last, seen + self.idle)


def life() -> Life:
    """What the settings say now; nonsense in them counts as a minute, so that it can be mended."""
    idle = setting_int("session.idle.minutes")
    whole = timedelta(milliseconds=min(setting_int("api.auth.jwt.token.expiry"), 10**11))
    return Life(max(whole, SHORTEST), timedelta(minutes=min(idle, 10**6)) if idle > 0 else None)


def most_sessions() -> int:
    """How many sessions an account may have at once; 0 is any number, 1 single-session mode."""
    return max(0, setting_int("session.limit"))
