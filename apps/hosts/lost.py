"""A host that does not answer, and its return: nothing there counts before copies replaced elsewhere are gone."""

from __future__ import annotations

from collections.abc import Callable

from apps.core.result import ReconcileResult
from apps.drivers.base import EngineContainer
from apps.hosts.models import Host

Loser = Callable[[Host], None]
Fence = Callable[[Host, list[EngineContainer]], int]

losers: list[Loser] = []
"""Told at every look that found nobody; they see to it that those who count the time look too."""

fences: list[Fence] = []
"""Have what was given up there removed, and say how much of it still runs."""


def fence_replaced_containers(row: Host, seen: list[EngineContainer]) -> ReconcileResult | None:
    """The sighting of a host that is back but still runs copies which were replaced elsewhere, else None."""
    left = sum(fence(row, seen) for fence in fences) if row.lost_at else 0
    if not left:
        return None
    message = f"It is back; {left} containers that were replaced elsewhere are removed first."
    return ReconcileResult(state="reconnecting", message=message, status=row.status, requeue_after=0.5)
