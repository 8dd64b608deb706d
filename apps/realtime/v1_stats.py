"""v1 statistics: arrays of cumulative samples of one or many containers or hosts (v1 contract, section 6.2)."""

from __future__ import annotations

import asyncio
import functools
import json
from collections import deque
from datetime import UTC, datetime
from typing import Any

from apps.containers.models import Container
from apps.core.ids import wire_id
from apps.drivers.base import StatsSample
from apps.environments.actor import Actor
from apps.hosts.models import Host
from apps.hosts.stats.live import FeedEnd
from apps.realtime import targets
from apps.realtime.base_socket import BaseSocket, run_in_thread
from apps.realtime.stats import StatsTarget, watch_stats
from apps.stacks.models import Slot

_INTERVAL = 1.0
_BACKLOG = 10
_MOST_CONTAINERS = 200


def serialize_sample(row: StatsTarget, sample: StatsSample) -> dict[str, Any]:
    """One sample as v1 clients read it: counters only grow, the reader differentiates."""
    is_host = isinstance(row, Host)
    network = {
        "name": "eth0",
        "rx_bytes": sample.net_rx,
        "tx_bytes": sample.net_tx,
        **dict.fromkeys(("rx_packets", "rx_errors", "rx_dropped", "tx_packets", "tx_errors", "tx_dropped"), 0),
    }
    traffic = {"Read": sample.disk_read, "Write": sample.disk_write, "Total": sample.disk_read + sample.disk_write}
    usage = {"total": sample.cpu_ns, "per_cpu_usage": _per_cpu(sample), "user": sample.cpu_ns, "system": 0}
    return {
        "id": wire_id("h" if is_host else "i", row.pk),
        "resourceType": "host" if is_host else "container",
        "memLimit": sample.memory_limit,
        "timestamp": datetime.fromtimestamp(sample.at, UTC).isoformat().replace("+00:00", "Z"),
        "cpu": {"usage": usage},
        "memory": {"usage": sample.memory},
        "network": {**network, "interfaces": [network]},
        "diskio": {"io_service_bytes": [{"major": 0, "minor": 0, "stats": traffic}]},
    }


def _per_cpu(sample: StatsSample) -> list[int]:
    """The engine tells the sum only; clients take the list's length for the number of processors."""
    cpus = max(sample.cpus, 1)
    return [sample.cpu_ns // cpus] * cpus


class V1StatsSocket(BaseSocket):
    """`/v1/hoststats`, `/v1/hoststats/project/`, `/v1/containerstats/…`: the ticket says of what."""

    verb = "stats"
    permission = "view"
    ping_interval = 0

    rows: list[StatsTarget]

    def resolve_target(self, actor: Actor) -> int:
        """The rows behind the ticket's host, container, service or whole environment."""
        ticket = self.credentials.ticket
        if ticket is None:
            raise targets.not_found("ticket")
        if ticket.kind == "host" and "containerstats" in self.scope["path"]:
            self.rows = _containers_of(targets.get_host(actor, ticket.target))
        else:
            self.rows = _resolve_rows(actor, ticket.kind, ticket.target)
        return ticket.environment_id

    async def begin(self) -> None:
        """Join the feeds."""
        self._backlog: dict[int, deque[StatsSample]] = {row.pk: deque(maxlen=_BACKLOG) for row in self.rows}
        self._running_ids = {row.pk for row in self.rows}
        for row in self.rows:
            viewer = await run_in_thread(watch_stats, row, functools.partial(self._on_sample, row.pk))
            self.add_close_callback(viewer.close)
            self._backlog[row.pk].extendleft(reversed(viewer.recent[-1:]))
        self.spawn(self._send_samples())

    def _on_sample(self, key: int, item: StatsSample | FeedEnd) -> None:
        if isinstance(item, FeedEnd):
            self._running_ids.discard(key)
        else:
            self._backlog[key].append(item)

    async def _send_samples(self) -> None:
        while not self.ended:
            is_last = not self._running_ids
            samples = [serialize_sample(row, sample) for row in self.rows for sample in self._drain_backlog(row.pk)]
            if samples:
                await self.put(text_data=json.dumps(samples))
            if is_last:
                await self.end(1000, "No statistics will come any more.")
            await asyncio.sleep(_INTERVAL)

    def _drain_backlog(self, key: int) -> list[StatsSample]:
        waiting = self._backlog[key]
        return [waiting.popleft() for _ in range(len(waiting))]


def _containers_of(host: Host) -> list[StatsTarget]:
    rows = Container.objects.within([host.environment_id]).select_related("host")
    return list(rows.filter(host=host, removed=None, state="running")[:_MOST_CONTAINERS])


def _resolve_rows(actor: Actor, kind: str, target: int) -> list[StatsTarget]:
    if kind == "container":
        return [targets.get_container(actor, target)]
    if kind == "host":
        return [targets.get_host(actor, target)]
    if kind == "service":
        slots = Slot.objects.filter(service=target, container__removed=None, container__isnull=False)
        return [targets.get_container(actor, key) for key in slots.values_list("container", flat=True)]
    if kind == "environment" and "view" in actor.permissions(target):
        return list(Host.objects.within([target]).filter(removed=None))
    raise targets.not_found("project" if kind == "environment" else kind)  # what v1 clients are told
