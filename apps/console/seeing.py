"""When the portal last saw what a page shows, and whether it goes on looking."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from apps.containers.models import Container
from apps.containers.selectors import last_seen
from apps.hosts.models import Host


@dataclass(frozen=True, slots=True)
class Seen:
    """Last seen `at` (None: never); `goes_on` while somebody answers, so that the page asks again by itself."""

    at: datetime | None
    goes_on: bool


def seen(row: Host | Container) -> Seen:
    """When a host or a container was seen last."""
    if isinstance(row, Host):
        return Seen(row.seen_at, row.answers)
    return Seen(last_seen(row), row.host is not None and row.host.answers)


def seen_together(rows: Iterable[Container]) -> Seen:
    """What several make up is as old as the one of them that was seen longest ago."""
    each = [seen(row) for row in rows]
    return Seen(min((one.at for one in each if one.at), default=None), any(one.goes_on for one in each))
