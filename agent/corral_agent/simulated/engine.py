"""A simulated engine as an agent sees it: its HTTP API behind connections inside the process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from corral_agent.counters import Sample
from corral_agent.documents import DocumentHandler
from corral_agent.engine_proxy.streams import Sink, Source
from corral_agent.simulated.api import server
from corral_agent.simulated.checks import simulated_runner
from corral_agent.simulated.memory_pipe import connection_pair
from corral_agent.simulated.network import SimulatedNetworkHandler
from corral_agent.simulated.preflight import SimulatedPreflightHandler
from health_checks.runner import CheckRunner
from simulated_engine.engine import EngineCore
from simulated_engine.runtime import Cancel, Runtime
from simulated_engine.stats import CPUS, MEMORY

_MIB = 1024 * 1024


class SimulatedEngine:
    """One engine in memory; everything about it happens on the event loop's thread."""

    simulated = True

    def __init__(self, name: str, engine_id: str) -> None:
        self.core = EngineCore(name, engine_id, Runtime(schedule=_call_later))
        self.containers, self.images = self.core.containers, self.core.images
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
        task = asyncio.ensure_future(server.serve(self.core, source, sink))
        self._serving.add(task)  # the event loop itself keeps no strong reference to a task
        task.add_done_callback(self._serving.discard)

    def machine(self) -> Sample:
        """What the whole host has used."""
        return Sample(*self.core.sample_machine())

    def sample_containers(self) -> dict[str, Sample]:
        """What each running container has used."""
        return {key: Sample(*counters) for key, counters in self.core.sample_containers().items()}

    def facts(self, info: dict[str, Any]) -> dict[str, Any]:
        """What the host is."""
        used, total = self.machine().memory // _MIB, MEMORY // _MIB
        memory = {"memTotal": total, "memFree": total - used, "memAvailable": total - used}
        disk = {"total": 100_000, "used": 20_000, "free": 80_000, "percentUsed": 20.0}
        return {
            "osInfo": {
                "operatingSystem": str(info.get("OperatingSystem", "Simulated Linux")),
                "kernelVersion": str(info.get("KernelVersion", "")),
                "dockerVersion": str(info.get("ServerVersion", "")),
                "architecture": "x86_64",
                "hostname": self.core.name,
            },
            "cpuInfo": {"count": CPUS, "modelName": "Simulated", "mhz": 2000.0, "loadAvg": [0.1, 0.1, 0.1]},
            "memoryInfo": memory | dict.fromkeys(("buffers", "cached", "swapTotal", "swapFree"), 0),
            "diskInfo": {"mountPoints": {"/": disk}},
        }

    def check_runner(self) -> CheckRunner:
        """Checks that ask the container in memory instead of the network."""
        return simulated_runner(self.core)

    def document_handlers(self, folder: Path) -> Mapping[str, DocumentHandler]:  # noqa: ARG002 - nothing is kept
        """Those of a machine that does not exist."""
        return {
            "network": SimulatedNetworkHandler(self.core.engine_id),
            "preflight": SimulatedPreflightHandler(),
        }


def _call_later(delay: float, action: Callable[[], None]) -> Cancel:
    return asyncio.get_running_loop().call_later(delay, action).cancel
