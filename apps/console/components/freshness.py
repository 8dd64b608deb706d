"""When the portal last saw what a page shows, and whether it goes on looking."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from apps.containers.models import Container
from apps.containers.selectors import last_seen
from apps.hosts.models import Host


@dataclass(frozen=True, slots=True)
class Freshness:
    """Last seen `at` (None: never); `is_live` while somebody answers, so that the page asks again by itself."""

    at: datetime | None
    is_live: bool


def freshness_of(row: Host | Container) -> Freshness:
    """When a host or a container was seen last."""
    if isinstance(row, Host):
        return Freshness(row.seen_at, row.is_responding)
    return Freshness(last_seen(row), row.host is not None and row.host.is_responding)


def combined_freshness(rows: Iterable[Container]) -> Freshness:
    """What several make up is as old as the one of them that was seen longest ago."""
    each = [freshness_of(row) for row in rows]
    return Freshness(min((one.at for one in each if one.at), default=None), any(one.is_live for one in each))
