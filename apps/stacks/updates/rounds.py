"""The job: look for newer images, then do what policies say about them."""

from __future__ import annotations

from datetime import datetime

from django.utils import timezone

from apps.stacks.updates.checks import check_images
from apps.stacks.updates.image_upgrades import upgrade_by_policy


def follow_images(now: datetime | None = None) -> int:
    """One round; returns how many tags were asked for."""
    now = now or timezone.now()
    asked = check_images(now)
    upgrade_by_policy(now)
    return asked
