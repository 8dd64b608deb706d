"""What tests of catalogs share: how catalogs are added, and the loop until it rests."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from django.utils import timezone

from apps.catalog.models import Catalog
from apps.containers.models import Container
from apps.control.reconcile import reconcile_until_idle
from apps.stacks.models import Service, Stack

AddCatalog = Callable[..., Catalog]
PAST = timezone.now() - timedelta(days=1)


def settle() -> None:
    """Let the loop come to rest: containers, their services, and stacks after these."""
    for _turn in range(4):
        for model in (Container, Service, Stack):
            model.all_objects.filter(removed=None).update(next_attempt_at=PAST)
            reconcile_until_idle()
