"""Plausible counters of a simulated host: each container has a steady appetite of its own, told by its id."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from corral_agent.counters import Sample
from corral_agent.sim.box import Box
from corral_agent.sim.shown import stamp

CPUS, MEMORY = 4, 16 * 1024**3
_IDLE_MEMORY = 300 * 1024**2


def sample(box: Box) -> Sample:
    """What one container has used."""
    appetite = 1 + int(box.id[:2], 16) % 20
    age = max(0.0, time.time() - box.started / 1e9) if box.running else 0.0
    limit = int(box.config.get("Memory") or MEMORY)
    return Sample(
        at=time.time(),
        cpu_ns=int(age * appetite * 5_000_000),
        cpus=CPUS,
        memory=min(limit, appetite * 4 * 1024 * 1024) if box.running else 0,
        memory_limit=limit,
        net_rx=int(age * appetite * 900),
        net_tx=int(age * appetite * 1300),
        disk_read=appetite * 65536,
        disk_write=int(age * appetite * 100),
        pids=appetite,
    )


def machine(boxes: Iterable[Box], since: float) -> Sample:
    """What the whole host has used: its own idling since `since` and all containers that run."""
    idle = max(0.0, time.time() - since)
    parts = [sample(box) for box in boxes if box.running]
    return Sample(
        at=time.time(),
        cpu_ns=int(idle * 10_000_000) + sum(part.cpu_ns for part in parts),
        cpus=CPUS,
        memory=min(MEMORY, _IDLE_MEMORY + sum(part.memory for part in parts)),
        memory_limit=MEMORY,
        net_rx=int(idle * 200) + sum(part.net_rx for part in parts),
        net_tx=int(idle * 200) + sum(part.net_tx for part in parts),
        disk_read=sum(part.disk_read for part in parts),
        disk_write=int(idle * 50) + sum(part.disk_write for part in parts),
    )


def as_engine(box: Box) -> dict[str, Any]:
    """As /containers/{id}/stats tells it; zeros when it does not run."""
    found = sample(box)
    io = [{"op": "Read", "value": found.disk_read}, {"op": "Write", "value": found.disk_write}]
    return {
        "read": stamp(time.time_ns() if box.running else 0),
        "name": f"/{box.name}",
        "id": box.id,
        "cpu_stats": {
            "cpu_usage": {"total_usage": found.cpu_ns},
            "system_cpu_usage": time.monotonic_ns() if box.running else 0,
            "online_cpus": CPUS,
        },
        "precpu_stats": {},
        "memory_stats": {"usage": found.memory, "limit": found.memory_limit, "stats": {}},
        "networks": {"eth0": {"rx_bytes": found.net_rx, "tx_bytes": found.net_tx}},
        "blkio_stats": {"io_service_bytes_recursive": io},
        "pids_stats": {"current": found.pids if box.running else 0},
    }
