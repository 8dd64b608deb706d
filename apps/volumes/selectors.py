"""Reads of volumes for the faces."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from django.db.models import Count, Q, QuerySet, Sum

from apps.environments.actor import Actor
from apps.volumes.models import StoragePool, Volume, VolumeMount


def volumes_of(actor: Actor, environment_id: int) -> QuerySet[Volume]:
    """The volumes of an environment's hosts, with their hosts."""
    mine = [key for key in [environment_id] if "view" in actor.permissions(key)]
    rows: QuerySet[Volume] = Volume.objects.within(mine).filter(removed=None).select_related("host")
    return rows


def pools_of(actor: Actor, environment_id: int) -> QuerySet[StoragePool]:
    """The storage pools of an environment, with their hosts."""
    mine = [key for key in [environment_id] if "view" in actor.permissions(key)]
    rows: QuerySet[StoragePool] = StoragePool.objects.within(mine).filter(removed=None).select_related("host")
    return rows


def mounts_within(environments: Iterable[int]) -> QuerySet[VolumeMount]:
    """The mounts of containers in these environments."""
    return VolumeMount.objects.filter(environment__in=environments)


def total_sizes(rows: QuerySet[Volume]) -> Mapping[str, int]:
    """How many volumes these are and their bytes (`count`, `bytes`), and those of them that nothing mounts."""
    unused = Q(state="inactive")
    return rows.order_by().aggregate(
        count=Count("pk"),
        bytes=Sum("size", default=0),
        unused=Count("pk", filter=unused),
        unused_bytes=Sum("size", filter=unused, default=0),
    )


def sizes_on(names: Iterable[str], hosts: Iterable[int]) -> Mapping[tuple[int | None, str], int]:
    """The bytes in the volumes of these names that were measured, by the host's key and the name."""
    rows = Volume.all_objects.filter(host__in=list(hosts), name__in=list(names), removed=None, size__isnull=False)
    return {(host, name): size for host, name, size in rows.values_list("host_id", "name", "size") if size is not None}
