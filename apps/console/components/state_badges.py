"""How states look and sort: a word, a tone, an icon, and the bad ones first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import Case, IntegerField, Value, When

GOOD = ("active", "running", "started-once", "pulled", "healthy", "succeeded")
OFF = ("inactive", "stopped", "removed", "purged", "cancelled", "superseded")
BAD = ("error", "erroring", "unhealthy", "failed", "disconnected")
WARN = ("degraded", "initializing", "reconnecting", "paused")

_TONES = {word: tone for tone, words in (("good", GOOD), ("off", OFF), ("bad", BAD), ("warn", WARN)) for word in words}
_ICONS = {"good": "circle-check", "off": "player-stop", "bad": "circle-x", "warn": "alert-triangle", "busy": "loader-2"}


@dataclass(frozen=True, slots=True)
class StateBadge:
    """A state as it is shown."""

    word: str
    tone: str
    note: str = ""
    is_stale: bool = False

    @property
    def icon(self) -> str:
        """The icon that goes with the tone."""
        return _ICONS[self.tone]


def tone(word: str) -> str:
    """The tone of a state; what is neither good, bad nor at rest is on its way."""
    return _TONES.get(word, "busy")


def badge_of(row: Any) -> StateBadge:
    """The face of a managed row: its shown state, or its health where that says more; red once it failed."""
    word = row.display_state
    health = getattr(row, "health", "") or (row.status or {}).get("health", "")
    if word in {"active", "running"} and health and health != "healthy":
        word = "initializing" if health == "starting" else str(health)
    tone_name = "bad" if row.fault else tone(word)
    return StateBadge(word, tone_name, row.message, _is_stale(row))


def _is_stale(row: Any) -> bool:
    """Whether nobody can look just now: the engine of the row's host does not answer."""
    host = getattr(row, "host", None)
    return host is not None and host.is_unreachable


def bad_first(*, by_health: bool = False) -> Case:
    """An ordering: bad, warning, on the way, at rest, good; `by_health` for rows whose status tells their health."""
    ranks = [(BAD, 0), (WARN, 1), (OFF, 3), (GOOD, 4)]
    whens = [When(display_state__in=words, then=Value(rank)) for words, rank in ranks]
    by_reported_health = (
        [When(status__health__in=words, then=Value(rank)) for words, rank in ranks[:2]] if by_health else []
    )
    return Case(
        When(fault=True, then=Value(0)), *by_reported_health, *whens, default=Value(2), output_field=IntegerField()
    )
