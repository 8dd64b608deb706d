"""Plausible counters of a simulated host: each container has a steady appetite of its own, derived from its id."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from simulated_engine.container import SimulatedContainer

CPUS, MEMORY = 4, 16 * 1024**3
_IDLE_MEMORY = 300 * 1024**2


class Counters(NamedTuple):
    """Cumulative counters at unix time `at` (seconds): CPU in nanoseconds over all `cpus`, the rest in bytes."""

    at: float
    cpu_ns: int
    cpus: int
    memory: int
    memory_limit: int
    net_rx: int
    net_tx: int
    disk_read: int
    disk_write: int
    pids: int = 0


def sample_container(container: SimulatedContainer, now: int) -> Counters:
    """What one container has used until `now` (unix nanoseconds); no memory while it does not run."""
    # A steady factor of its own, so that charts of several containers differ and none jumps.
    load_factor = 1 + int(container.id[:2], 16) % 20
    age = max(0.0, (now - container.started_at) / 1e9) if container.running else 0.0
    limit = int(container.config.get("Memory") or MEMORY)
    return Counters(
        at=now / 1e9,
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


def sample_machine(containers: Iterable[SimulatedContainer], since: int, now: int) -> Counters:
    """What the whole host has used: its own idling since `since` and all containers that run."""
    idle = max(0.0, (now - since) / 1e9)
    parts = [sample_container(container, now) for container in containers if container.running]
    return Counters(
        at=now / 1e9,
        cpu_ns=int(idle * 10_000_000) + sum(part.cpu_ns for part in parts),
        cpus=CPUS,
        memory=min(MEMORY, _IDLE_MEMORY + sum(part.memory for part in parts)),
        memory_limit=MEMORY,
        net_rx=int(idle * 200) + sum(part.net_rx for part in parts),
        net_tx=int(idle * 200) + sum(part.net_tx for part in parts),
        disk_read=sum(part.disk_read for part in parts),
        disk_write=int(idle * 50) + sum(part.disk_write for part in parts),
    )
