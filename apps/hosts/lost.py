"""A host that does not answer, and its return: nothing there counts before copies replaced elsewhere are gone."""

from __future__ import annotations

from collections.abc import Callable

from apps.core.result import Result
from apps.drivers.base import ContainerSeen
from apps.hosts.models import Host

Loser = Callable[[Host], None]
Fence = Callable[[Host, list[ContainerSeen]], int]

losers: list[Loser] = []
"""Told at every look that found nobody; they see to it that those who count the time look too."""

fences: list[Fence] = []
"""Have what was given up there removed, and say how much of it still runs."""


def fenced(row: Host, seen: list[ContainerSeen]) -> Result | None:
    """The sighting of a host that is back but still runs copies which were replaced elsewhere, else None."""
    left = sum(fence(row, seen) for fence in fences) if row.lost_at else 0
    if not left:
        return None
    message = f"It is back; {left} containers that were replaced elsewhere are removed first."
    return Result(state="reconnecting", message=message, status=row.status, again_in=0.5)
