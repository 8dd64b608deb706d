"""A simulated engine as an agent sees it: its API behind connections inside the process."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from corral_agent.counters import Sample
from corral_agent.engine_proxy.streams import Sink, Source
from corral_agent.simulated import stats
from corral_agent.simulated.api import server
from corral_agent.simulated.containers import SimulatedContainers
from corral_agent.simulated.event_bus import EventBus
from corral_agent.simulated.images import SimulatedImages
from corral_agent.simulated.memory_pipe import connection_pair
from corral_agent.simulated.shell import SimulatedExec

_MAX_EXECS = 256
_MIB = 1024 * 1024


class SimulatedEngine:
    """One engine in memory; `tick` is the pause between two samples of statistics in seconds."""

    simulated = True

    def __init__(self, name: str, engine_id: str) -> None:
        self.name, self.engine_id = name, engine_id
        self.tick = 1.0
        self.event_bus = EventBus()
        self.containers, self.images = SimulatedContainers(self.event_bus), SimulatedImages(self.event_bus)
        self.volumes: dict[str, dict[str, Any]] = {}
        self.execs: dict[str, SimulatedExec] = {}
        self._since = time.time()
        self._down = False
        self._serving: set[asyncio.Task[None]] = set()

    @property
    def down(self) -> bool:
        """While True no connection is taken; setting it cuts all there are."""
        return self._down

    @down.setter
    def down(self, value: bool) -> None:
        self._down = value
        if value:
            for task in self._serving:
                task.cancel()

    async def open(self) -> tuple[Source, Sink]:
        """A new connection. Raises `OSError` while the engine is down."""
        if self._down:
            raise ConnectionRefusedError(111, "Connection refused")
        ours, theirs = connection_pair()
        self.serve(*theirs)
        return ours

    def serve(self, source: Source, sink: Sink) -> None:
        """Answer on this connection."""
        task = asyncio.ensure_future(server.serve(self, source, sink))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    def add_exec(self, session: SimulatedExec) -> SimulatedExec:
        """Remember a command; the oldest are forgotten."""
        self.execs[session.id] = session
        while len(self.execs) > _MAX_EXECS:
            del self.execs[next(iter(self.execs))]
        return session

    def machine(self) -> Sample:
        """What the whole host has used."""
        return stats.sample_machine(self.containers, self._since)

    def sample_containers(self) -> dict[str, Sample]:
        """What each running container has used."""
        return {container.id: stats.sample_container(container) for container in self.containers if container.running}

    def facts(self, info: dict[str, Any]) -> dict[str, Any]:
        """What the host is."""
        used = self.machine().memory // _MIB
        total = stats.MEMORY // _MIB
        memory = {"memTotal": total, "memFree": total - used, "memAvailable": total - used}
        disk = {"total": 100_000, "used": 20_000, "free": 80_000, "percentUsed": 20.0}
        return {
            "osInfo": {
                "operatingSystem": str(info.get("OperatingSystem", "Simulated Linux")),
                "kernelVersion": str(info.get("KernelVersion", "")),
                "dockerVersion": str(info.get("ServerVersion", "")),
                "architecture": "x86_64",
                "hostname": self.name,
            },
            "cpuInfo": {"count": stats.CPUS, "modelName": "Simulated", "mhz": 2000.0, "loadAvg": [0.1, 0.1, 0.1]},
            "memoryInfo": memory | dict.fromkeys(("buffers", "cached", "swapTotal", "swapFree"), 0),
            "diskInfo": {"mountPoints": {"/": disk}},
        }
