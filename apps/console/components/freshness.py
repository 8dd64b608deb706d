"""When the portal last observed what a page shows, and whether it keeps observing it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from apps.containers.models import Container
from apps.containers.selectors import last_seen
from apps.hosts.models import Host


@dataclass(frozen=True, slots=True)
class Freshness:
    """Last observed `at` (None: never); `is_live` while the host responds, so that the page refreshes itself."""

    at: datetime | None
    is_live: bool


def freshness_of(row: Host | Container) -> Freshness:
    """The freshness of a host or a container."""
    if isinstance(row, Host):
        return Freshness(row.seen_at, row.is_responding)
    return Freshness(last_seen(row), row.host is not None and row.host.is_responding)


def combined_freshness(rows: Iterable[Container]) -> Freshness:
    """The freshness of several containers: as old as the one that was observed longest ago."""
    parts = [freshness_of(row) for row in rows]
    return Freshness(min((part.at for part in parts if part.at), default=None), any(part.is_live for part in parts))
