"""What people ask for: to look for newer images now."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from django.db.models import Min, Q
from django.utils import timezone

from apps.control.services import record
from apps.core.errors import ActionNotAvailable, Forbidden, Problem
from apps.environments.access import can
from apps.environments.actor import Actor
from apps.stacks.updates.models import ImageUpdate, RegistryTag

CHECK_PAUSE = timedelta(minutes=5)
"""Between two questions for one image that people ask for: registries count them, and all tenants share them."""


def image_check(rows: Iterable[ImageUpdate], *, actor: Actor, environment_id: int) -> int:
    """Have registries asked for these images with the next round; returns for how many tags.

    Raises `Forbidden`, `ActionNotAvailable` where none is looked for, and `Problem` (429) where all were asked for in
    the last minutes.
    """
    allowed = can(actor, "operate", environment_id)
    if not allowed:
        raise Forbidden(allowed.reason)
    keys = {row.tag_id for row in rows if row.environment_id == environment_id and row.tag_id is not None}
    if not keys:
        raise ActionNotAvailable("No registry is asked for these images: each row says why.")
    now = timezone.now()
    tags = RegistryTag.objects.filter(pk__in=keys)
    due = tags.filter(Q(checked_at=None) | Q(checked_at__lte=now - CHECK_PAUSE), requested_at=None)
    count = due.update(requested_at=now)
    if not count:
        last = tags.aggregate(first=Min("checked_at"))["first"] or now
        wait = max(1, int((last + CHECK_PAUSE - now).total_seconds()))
        text = "Their registries were asked in the last 5 minutes, or will be in the next: wait a moment."
        raise Problem(text, status=429, retry_after=wait)
    record("imageUpdate.check", actor=actor, environment_id=environment_id, request={"images": count})
    return count
