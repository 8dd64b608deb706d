"""What is thrown away when it is old: rows removed long ago and finished operations, by the retention settings."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

from django.utils import timezone

from apps.control.models import OPEN, Operation
from apps.control.reconcile import KINDS
from apps.core.defaults import setting_int

EVERY = 600.0
BATCH = 500
KEPT = frozenset({"project"})  # its audit log would go with it
_last = 0.0


def clean_now_and_then() -> int:
    """Clean at most every ten minutes in this process; how many rows went."""
    global _last  # noqa: PLW0603 - the clock of this process
    if time.monotonic() - _last < EVERY:
        return 0
    _last = time.monotonic()
    return clean()


def clean(now: datetime | None = None) -> int:
    """Delete one batch of everything that is past its time; how many rows went."""
    now = now or timezone.now()
    gone = now - timedelta(hours=setting_int("retention.removed.hours"))
    ended = now - timedelta(days=setting_int("retention.operations.days"))
    count = 0
    for kind in reversed([kind for name, kind in KINDS.items() if name not in KEPT]):
        old = kind.model.all_objects.filter(removed__lt=gone).values_list("pk", flat=True)[:BATCH]
        count += kind.model.all_objects.filter(pk__in=list(old)).delete()[0]
    finished = Operation.all_objects.exclude(state__in=OPEN).filter(ended__lt=ended).values_list("pk", flat=True)
    return count + int(Operation.all_objects.filter(pk__in=list(finished[:BATCH])).delete()[0])
