"""Addresses of the managed network that containers did not give back, as when a portal was killed in between."""

from __future__ import annotations

from apps.containers.models import Container
from apps.network.addresses import release_holders
from apps.network.models import Address


def release_lost_addresses() -> int:
    """Take back the addresses of containers that are gone; how many these were."""
    holders = set(Address.objects.filter(holder__isnull=False).values_list("holder", flat=True))
    present = set(Container.all_objects.filter(removed=None).values_list("pk", flat=True))
    lost = sorted(holder for holder in holders - present if holder is not None)
    if lost:
        release_holders(lost)
    return len(lost)
