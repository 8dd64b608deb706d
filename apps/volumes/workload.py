"""Volumes as a workload of hosts: what they do about scans, events and removed hosts."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import timedelta

from django.utils import timezone

from apps.core.fixed_query import FixedQuery
from apps.drivers.base import EngineContainer, EngineEvent
from apps.hosts.models import Host
from apps.hosts.workloads import HostWorkload
from apps.volumes.files.reader import sweep_readers
from apps.volumes.models import StoragePool, Volume

AFTER_EVENT = 3.0
"""Seconds from an event until the engine's volumes are listed: a hundred containers that start are one occasion."""
_ACTIONS = frozenset({("volume", "create"), ("volume", "destroy"), ("container", "create"), ("container", "destroy")})
_POOL = FixedQuery(lambda keys: StoragePool.all_objects.filter(host=keys[0]).order_by().values_list("pk"))
_marked: dict[int, float] = {}


class VolumeWorkload(HostWorkload):
    """The volumes of a host."""

    def on_engine_event(self, host_id: int, event: EngineEvent) -> None:
        """Have the host's volumes listed soon."""
        if (event.kind, event.action) in _ACTIONS:
            _list_soon(host_id)

    def on_host_scanned(self, host: Host, containers: Sequence[EngineContainer]) -> None:
        """Have a storage pool for each host, and remove what a portal that died while it read files has left."""
        if not _POOL.rows([host.pk]):
            named = {"name": f"{host}"[:255], "desired": "active"}
            pool = StoragePool(environment_id=host.environment_id, host=host, **named)
            StoragePool.all_objects.bulk_create([pool], ignore_conflicts=True)
        sweep_readers(host, containers)

    def on_host_removed(self, host: Host) -> int:
        """Forget its volumes, which stay on its engine."""
        Volume.all_objects.filter(host=host).delete()
        StoragePool.all_objects.filter(host=host).delete()
        return 0


def _list_soon(host_id: int) -> None:
    """Bring the next listing forward; at most once in a while for each host, however many events there are."""
    now = time.monotonic()
    if now - _marked.get(host_id, -AFTER_EVENT) < AFTER_EVENT / 2:
        return
    _marked[host_id] = now
    due = timezone.now() + timedelta(seconds=AFTER_EVENT)
    StoragePool.all_objects.filter(host=host_id, next_attempt_at__gt=due).update(next_attempt_at=due)
