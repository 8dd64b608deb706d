"""Plausible counters of a simulated host: each container has a steady appetite of its own, told by its id."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from corral_agent.counters import Sample
from corral_agent.simulated.container import SimulatedContainer
from corral_agent.simulated.serialize import to_rfc3339

CPUS, MEMORY = 4, 16 * 1024**3
_IDLE_MEMORY = 300 * 1024**2


def sample_container(container: SimulatedContainer) -> Sample:
    """What one container has used."""
    load_factor = 1 + int(container.id[:2], 16) % 20
    age = max(0.0, time.time() - container.started_at / 1e9) if container.running else 0.0
    limit = int(container.config.get("Memory") or MEMORY)
    return Sample(
        at=time.time(),
        cpu_ns=int(age * load_factor * 5_000_000),
        cpus=CPUS,
        memory=min(limit, load_factor * 4 * 1024 * 1024) if container.running else 0,
        memory_limit=limit,
        net_rx=int(age * load_factor * 900),
        net_tx=int(age * load_factor * 1300),
        disk_read=load_factor * 65536,
        disk_write=int(age * load_factor * 100),
        pids=load_factor,
    )


def sample_machine(containers: Iterable[SimulatedContainer], since: float) -> Sample:
    """What the whole host has used: its own idling since `since` and all containers that run."""
    idle = max(0.0, time.time() - since)
    parts = [sample_container(container) for container in containers if container.running]
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


def serialize_stats(container: SimulatedContainer) -> dict[str, Any]:
    """As /containers/{id}/stats tells it; zeros when it does not run."""
    found = sample_container(container)
    io = [{"op": "Read", "value": found.disk_read}, {"op": "Write", "value": found.disk_write}]
    return {
        "read": to_rfc3339(time.time_ns() if container.running else 0),
        "name": f"/{container.name}",
        "id": container.id,
        "cpu_stats": {
            "cpu_usage": {"total_usage": found.cpu_ns},
            "system_cpu_usage": time.monotonic_ns() if container.running else 0,
            "online_cpus": CPUS,
        },
        "precpu_stats": {},
        "memory_stats": {"usage": found.memory, "limit": found.memory_limit, "stats": {}},
        "networks": {"eth0": {"rx_bytes": found.net_rx, "tx_bytes": found.net_tx}},
        "blkio_stats": {"io_service_bytes_recursive": io},
        "pids_stats": {"current": found.pids if container.running else 0},
    }
