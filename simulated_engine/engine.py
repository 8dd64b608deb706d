"""One simulated engine: everything it holds, and what it says about itself."""

from __future__ import annotations

import threading
from typing import Any

from simulated_engine.commands import CommandSessions
from simulated_engine.containers import SimulatedContainers
from simulated_engine.events import EventBus
from simulated_engine.images import SimulatedImages
from simulated_engine.runtime import Runtime
from simulated_engine.stats import CPUS, MEMORY, Counters, sample_container, sample_machine
from simulated_engine.timestamps import to_rfc3339
from simulated_engine.volumes import SimulatedVolumes

VERSION, API_VERSION, KERNEL = "20.10.24", "1.41", "6.1.0"


class EngineCore:
    """The state of one engine. Callers on several threads hold `lock` around everything but `events`.

    `tick` is the pause between two samples of statistics, in seconds.
    """

    def __init__(self, name: str, engine_id: str, runtime: Runtime | None = None) -> None:
        self.name, self.engine_id = name, engine_id
        self.runtime = runtime or Runtime()
        self.tick = 1.0
        self.lock = threading.RLock()
        self.events = EventBus(self.runtime.now)
        self.images = SimulatedImages(self.runtime, self.events)
        self.volumes = SimulatedVolumes(self.runtime, self.events)
        self.containers = SimulatedContainers(self.runtime, self.events, self.images, self.volumes, self.lock)
        self.networks = self.containers.networks
        self.commands = CommandSessions(self.runtime)
        self._started_at = self.runtime.now()

    def info(self) -> dict[str, Any]:
        """The answer of /info."""
        running = sum(container.running for container in self.containers)
        return {
            "ID": self.engine_id,
            "Name": self.name,
            "ServerVersion": VERSION,
            "OperatingSystem": "Simulated Linux",
            "OSType": "linux",
            "KernelVersion": KERNEL,
            "Architecture": "x86_64",
            "NCPU": CPUS,
            "MemTotal": MEMORY,
            "Driver": "memory",
            "Containers": len(self.containers.by_id),
            "ContainersRunning": running,
            "ContainersStopped": len(self.containers.by_id) - running,
            "Images": len(self.images),
            "SystemTime": to_rfc3339(self.runtime.now()),
            "Swarm": {"LocalNodeState": "inactive"},
        }

    def sample_machine(self) -> Counters:
        """What the whole host has used."""
        return sample_machine(self.containers, self._started_at, self.runtime.now())

    def sample_containers(self) -> dict[str, Counters]:
        """What each running container has used, by its id."""
        now = self.runtime.now()
        return {container.id: sample_container(container, now) for container in self.containers if container.running}
