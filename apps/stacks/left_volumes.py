"""The volumes that stacks and services have left behind: nothing mounts them, and what had them last is deleted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.db.models import Exists, OuterRef, QuerySet

from apps.stacks.models import Service
from apps.volumes.models import Volume


def left_behind(rows: QuerySet[Volume]) -> QuerySet[Volume]:
    """Those of the volumes that a deleted service had last, and nothing since."""
    alive = Service.all_objects.filter(uuid=OuterRef("service_key"), removed=None)
    return rows.filter(state="inactive", service_key__isnull=False).filter(~Exists(alive))


@dataclass(frozen=True, slots=True)
class LeftVolumes:
    """How many volumes something has left behind, and the bytes that were measured in them."""

    count: int = 0
    size: int = 0


def left_by_stacks(volumes: QuerySet[Volume], stacks: Iterable[int]) -> Mapping[int, LeftVolumes]:
    """What each of the stacks (keys) has left, as far as there is something; two queries, whatever their number."""
    services = Service.all_objects.filter(stack__in=list(stacks))
    stack_of = dict(services.values_list("uuid", "stack_id"))
    found: dict[int, LeftVolumes] = defaultdict(LeftVolumes)
    for key, size in left_behind(volumes).filter(service_key__in=list(stack_of)).values_list("service_key", "size"):
        stack = stack_of[key] if key is not None else 0
        found[stack] = LeftVolumes(found[stack].count + 1, found[stack].size + (size or 0))
    return dict(found)
