"""The containers that are compared while an upgrade is judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Q

from apps.containers.models import Container
from apps.stacks.models import Service
from apps.stacks.verdict.observation import UpgradeObservation

BEFORE = timedelta(hours=1)  # how long before the upgrade the old containers are looked at
MOST_CONTAINERS = 400


@dataclass(frozen=True, slots=True)
class Groups:
    """A service's containers: those from before the upgrade, and those made since, the removed ones included."""

    old: Sequence[Container]
    new: Sequence[Container]

    @property
    def present(self) -> Sequence[Container]:
        """The new ones that are there and are to stay."""
        return [each for each in self.new if each.removed is None and not each.removal_requested]


def containers_of(row: Service, observation: UpgradeObservation) -> Groups:
    """The containers to compare, the newest first when there are very many."""
    there = Q(removed=None) | Q(removed__gte=observation.started)
    found = Container.all_objects.filter(there, spread_key=str(row.uuid)).defer("spec", "placement")
    rows = list(found.order_by("-pk")[:MOST_CONTAINERS])
    return Groups(
        [each for each in rows if each.created < observation.started],
        [each for each in rows if each.created >= observation.started],
    )
