"""How states are shown and sorted: word, tone and icon of a badge, failed states first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import Case, IntegerField, Value, When
from django.utils.translation import gettext as _

from apps.containers.network_checks import network_health

VOLUME_WORDS = {"active": "in use", "inactive": "unused"}
GOOD = (
    "active",
    "running",
    "started-once",
    "completed",
    "pulled",
    "checked",
    "healthy",
    "succeeded",
    "upgraded",
    "done",
    "in use",
)
OFF = ("inactive", "stopped", "removed", "purged", "cancelled", "superseded", "skipped", "refused", "undone", "unused")
BAD = ("error", "crashing", "erroring", "unhealthy", "failed", "timed-out", "disconnected", "expired")
WARN = (
    "degraded",
    "initializing",
    "reconnecting",
    "paused",
    "unknown",
    "restarted",
    "recreated",
    "replaced",
    "missed",
    "expiring",
    "canceled-upgrade",
    "canceled-rollback",
    "waiting-for-approval",
    "waiting-for-window",
)

_TONES = {word: tone for tone, words in (("good", GOOD), ("off", OFF), ("bad", BAD), ("warn", WARN)) for word in words}
_ICONS = {"good": "circle-check", "off": "circle-off", "bad": "circle-x", "warn": "alert-triangle", "busy": "loader-2"}


@dataclass(frozen=True, slots=True)
class StateBadge:
    """A state as pages show it; `is_stale` when it cannot be observed just now."""

    word: str
    tone: str
    note: str = ""
    is_stale: bool = False

    @property
    def icon(self) -> str:
        """The icon that goes with the tone."""
        return _ICONS[self.tone]


def tone(word: str) -> str:
    """The tone of a state; every state that is not listed is a transition."""
    return _TONES.get(word, "busy")


def shown_state(state: str, kind: str = "") -> str:
    """What pages call a state of rows of a kind; a bare word, short enough for the facets above a list."""
    if state == "superseded":
        return _("replaced")
    if state == "registering" and kind != "host":
        return "starting"  # v1's word; only a host registers
    return VOLUME_WORDS.get(state, state) if kind == "volume" else state


def badge_of(row: Any) -> StateBadge:
    """The badge of a managed row: its state, or its health where that says more; red once it failed."""
    word = row.display_state
    health = getattr(row, "health", "") or (row.status or {}).get("health", "")
    if word in {"active", "running"} and health and health != "healthy":
        word = "initializing" if health == "starting" else str(health)
    word = shown_state(_container_word(row, word), getattr(row, "KIND", ""))
    tone_name = "bad" if row.fault else tone(word)
    return StateBadge(word, tone_name, row.message or _check_failure(row, word), _is_stale(row))


def _check_failure(row: Any, word: str) -> str:
    """Why the check over the network fails, where nothing else is said."""
    state, reason = network_health(row) if getattr(row, "check_report", None) else ("", "")
    reason = reason if word == "unhealthy" == state else ""
    return _("Its health check fails: %(reason)s") % {"reason": reason} if reason else ""


def _container_word(row: Any, word: str) -> str:
    """What a container's state leaves unsaid: it keeps crashing, has no image, or is a job that ended."""
    if getattr(row, "is_crash_looping", False) and word in {"running", "starting", "restarting", "stopped"}:
        return "crashing"
    if row.fault and word in {"creating", "error"} and (row.status or {}).get("pull_failed"):
        return "image pull failed"
    code = getattr(row, "final_exit_code", None)
    if code is not None and word == "stopped" and not row.is_ended_by_stop:
        return "failed" if code else "completed"
    return word


def _is_stale(row: Any) -> bool:
    """Whether the row cannot be observed just now because the engine of its host does not respond."""
    host = getattr(row, "host", None)
    return host is not None and host.is_unreachable


def bad_first(*, by_health: bool = False) -> Case:
    """An ordering: failed, warning, in transition, at rest, good; `by_health` for rows with a health in `status`."""
    ranks = [(BAD, 0), (WARN, 1), (OFF, 3), (GOOD, 4)]
    whens = [When(display_state__in=words, then=Value(rank)) for words, rank in ranks]
    by_reported_health = (
        [When(status__health__in=words, then=Value(rank)) for words, rank in ranks[:3]] if by_health else []
    )
    return Case(
        When(fault=True, then=Value(0)), *by_reported_health, *whens, default=Value(2), output_field=IntegerField()
    )
