"""The pulls that keep containers from being created: what failed, in words, and when it is tried again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import QuerySet

from apps.containers.models import Container, Pull
from apps.containers.pull_attempts import PullAttempts
from apps.containers.pull_failures import PullFailure, classify_pull_failure

MAX_PAIRS = 500


@dataclass
class FailingPull:
    """One image that cannot be pulled: why, to which hosts, the engine's own words, and the next attempt."""

    image: str
    failure: PullFailure
    message: str
    hosts: list[str] = field(default_factory=list)
    next_at: datetime | None = None


def failing_pulls(environment_id: int, containers: QuerySet[Container]) -> list[FailingPull]:
    """The failing pulls that any of these containers waits for, one for each image; one query while all is well."""
    waiting = containers.filter(removed=None, fault=True, state__in=("creating", "error"), host__isnull=False)
    pairs = set(waiting.order_by().values_list("host", "image").distinct()[:MAX_PAIRS])
    if not pairs:
        return []
    rows = Pull.all_objects.filter(environment=environment_id, state="error")
    rows = rows.filter(host__in={host for host, _image in pairs}, image__in={image for _host, image in pairs})
    return _by_image(row for row in rows.select_related("host") if (row.host_id, row.image) in pairs)


def _by_image(rows: Iterable[Pull]) -> list[FailingPull]:
    found: dict[str, FailingPull] = {}
    for row in rows:
        attempts = PullAttempts.from_pull(row)
        reason = attempts.reason or row.message
        known = found.setdefault(row.image, FailingPull(row.image, classify_pull_failure(reason, row.image), reason))
        known.hosts.append(str(row.host))
        dues = [due for due in (known.next_at, attempts.due_at) if due is not None]
        known.next_at = min(dues, default=None)
    return sorted(found.values(), key=lambda each: each.image)
