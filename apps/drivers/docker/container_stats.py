"""Counters out of the engine's statistics, for either generation of control groups; pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from apps.drivers.base import StatsSample
from apps.drivers.docker.timestamps import to_nanoseconds

Json = Mapping[str, Any]
INVALID_SAMPLE_ERRORS = (AttributeError, KeyError, TypeError, ValueError, OverflowError)
"""What `parse_agent_sample` raises for an invalid sample."""

_COUNTERS = ("cpu_ns", "cpus", "memory", "memory_limit", "net_rx", "net_tx", "disk_read", "disk_write")


def parse_stats(found: Json) -> StatsSample | None:
    """One line of /containers/{id}/stats; None when the container does not run, which the engine shows as zeros."""
    cpu, memory = found.get("cpu_stats") or {}, found.get("memory_stats") or {}
    usage = cpu.get("cpu_usage") or {}
    read = str(found.get("read", ""))
    if read.startswith("0001") or not read or not cpu.get("system_cpu_usage"):
        return None
    networks = (found.get("networks") or {}).values()
    disk_read, disk_write = _disk((found.get("blkio_stats") or {}).get("io_service_bytes_recursive") or ())
    return StatsSample(
        at=to_nanoseconds(read) / 1e9,
        cpu_ns=int(usage.get("total_usage") or 0),
        cpus=int(cpu.get("online_cpus") or len(usage.get("percpu_usage") or ()) or 1),
        memory=_memory(memory),
        memory_limit=int(memory.get("limit") or 0),
        net_rx=sum(int(network.get("rx_bytes") or 0) for network in networks),
        net_tx=sum(int(network.get("tx_bytes") or 0) for network in networks),
        disk_read=disk_read,
        disk_write=disk_write,
        pids=int((found.get("pids_stats") or {}).get("current") or 0),
    )


def _memory(memory: Json) -> int:
    """What is used without the page cache that the kernel could take back: as `docker stats` counts it."""
    used, details = int(memory.get("usage") or 0), memory.get("stats") or {}
    # The first name is that of control groups v1, where the plain one leaves out the children.
    cache = int(details.get("total_inactive_file", details.get("inactive_file", 0)) or 0)
    return used - cache if cache < used else used


def _disk(entries: Iterable[Json]) -> tuple[int, int]:
    sums = {"read": 0, "write": 0}
    for entry in entries:
        kind = str(entry.get("op", "")).lower()
        if kind in sums:
            sums[kind] += int(entry.get("value") or 0)
    return sums["read"], sums["write"]


def parse_agent_sample(found: Json) -> StatsSample:
    """An agent's own sample. Raises for one that lacks a counter, or has one that is not a number."""
    at = float(found["at"])
    if not math.isfinite(at):
        raise ValueError("the time is not a finite number")
    counters = {name: int(found[name]) for name in _COUNTERS}
    return StatsSample(at=at, **counters, pids=int(found.get("pids") or 0))


def sum_samples(samples: Iterable[StatsSample], *, at: float, cpus: int, memory_limit: int) -> StatsSample:
    """Several containers' counters as one machine's."""
    seen = list(samples)
    return StatsSample(
        at=at,
        cpu_ns=sum(s.cpu_ns for s in seen),
        cpus=cpus,
        memory=sum(s.memory for s in seen),
        memory_limit=memory_limit,
        net_rx=sum(s.net_rx for s in seen),
        net_tx=sum(s.net_tx for s in seen),
        disk_read=sum(s.disk_read for s in seen),
        disk_write=sum(s.disk_write for s in seen),
        pids=sum(s.pids for s in seen),
    )
