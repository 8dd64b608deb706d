"""The containers of a simulated engine: made, started, ended and removed by Docker's rules."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Mapping
from typing import Any

from apps.drivers.base import EngineConflict, EngineEvent, EngineNotFound
from apps.drivers.simulated.container import SimulatedContainer
from apps.drivers.simulated.networks import SimulatedNetworks
from apps.drivers.simulated.shell import run_command
from apps.drivers.simulated.streams import EventBus

_FATAL_SIGNALS = {"KILL": 137, "9": 137, "TERM": 143, "15": 143, "INT": 130, "2": 130, "QUIT": 131, "3": 131}


class SimulatedContainers:
    """Every method expects `lock` to be held by the caller."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.activity = threading.Condition(self.lock)
        self.networks = SimulatedNetworks()
        self.event_bus = EventBus()
        self.by_id: dict[str, SimulatedContainer] = {}
        self._ids: dict[str, str] = {}
        self._labels: dict[tuple[str, str], dict[str, None]] = {}

    def get(self, reference: str) -> SimulatedContainer:
        """By id, name or the beginning of an id."""
        found = self.by_id.get(reference) or self.by_id.get(self._ids.get(reference.lstrip("/"), ""))
        if found is None and len(reference) >= 4:
            found = next((container for key, container in self.by_id.items() if key.startswith(reference)), None)
        if found is None:
            raise EngineNotFound(f"No such container: {reference}")
        return found

    def find_by_label(self, label: str, value: str) -> SimulatedContainer | None:
        """The first container that carries this label."""
        return next((self.by_id[key] for key in self._labels.get((label, value), ())), None)

    def make(self, name: str, body: Mapping[str, Any]) -> SimulatedContainer:
        """A new container. Raises `EngineConflict` when the name is in use."""
        self._check_name_free(name)
        container = SimulatedContainer(secrets.token_hex(32), name, body)
        container.addresses = dict.fromkeys(self.networks.names(container), "")
        self.by_id[container.id] = container
        self._ids[name] = container.id
        for item in (body.get("Labels") or {}).items():
            self._labels.setdefault(item, {})[container.id] = None
        self.notify(container, "create")
        return container

    def _check_name_free(self, name: str) -> None:
        if name in self._ids:
            raise EngineConflict(
                f'Conflict. The container name "/{name}" is already in use by container "{self._ids[name]}". '
                "You have to remove (or rename) that container to be able to reuse that name."
            )

    def rename(self, container: SimulatedContainer, name: str) -> None:
        """Raises `EngineConflict` when the name is in use."""
        self._check_name_free(name)
        del self._ids[container.name]
        container.name, old = name, container.name
        self._ids[name] = container.id
        self.notify(container, "rename", oldName=f"/{old}")

    def start(self, container: SimulatedContainer) -> None:
        """Raises what keeps it from starting; a running one stays as it is."""
        if container.status == "paused":
            raise EngineConflict("cannot start a paused container, try unpause instead")
        if container.running:
            return
        if container.mode.startswith("container:"):
            self.get(container.mode.partition(":")[2])
        try:
            self.networks.join(container)
        except EngineConflict as error:
            container.error, container.exit_code = str(error), 128
            container.clear_cache()
            raise
        container.status, container.error, container.exit_code, container.oom_killed = "running", "", 0, False
        container.started_at, container.stopped = time.time_ns(), threading.Event()
        self.notify(container, "start")
        self._run_process(container)

    def _run_process(self, container: SimulatedContainer) -> None:
        done = run_command(container.command, hostname=str(container.body.get("Hostname") or container.id[:12]))
        if done is not None:
            for line in done[0].splitlines():
                self.write_log(container, line)
            self.process_exited(container, done[1], restart_immediately=False)
        elif (container.body.get("Healthcheck") or {}).get("Test", ["NONE"]) != ["NONE"]:
            self.health(container, "healthy")

    def health(self, container: SimulatedContainer, status: str) -> None:
        """What its health check says from now on."""
        container.health = status
        self.notify(container, f"health_status: {status}")

    def write_log(self, container: SimulatedContainer, text: str, stream: str = "stdout") -> None:
        """A line of its output."""
        container.write_log(text, stream)
        self.activity.notify_all()

    def pause(self, container: SimulatedContainer, *, paused: bool) -> None:
        """Freeze or go on."""
        before, after = ("running", "paused") if paused else ("paused", "running")
        if container.status != before:
            raise EngineConflict(f"Container {container.id} is {container.status}")
        container.status = after
        self.notify(container, "pause" if paused else "unpause")

    def kill(self, container: SimulatedContainer, signal: str) -> None:
        """A signal; nobody's restart policy brings back what a person killed."""
        if not container.running:
            raise EngineConflict(f"Cannot kill container: {container.name}: Container {container.id} is not running")
        name = signal.upper().removeprefix("SIG")
        self.notify(container, "kill", signal=name)
        if name in _FATAL_SIGNALS:
            self._end(container, _FATAL_SIGNALS[name])

    def stop(self, container: SimulatedContainer) -> None:
        """As asked; its process listens to TERM."""
        if container.running:
            self.notify(container, "kill", signal="15")
            self._end(container, 143 if container.config.get("Init") else 0)
            self.notify(container, "stop")
        elif container.status == "restarting":
            container.status = "exited"
            self.notify(container, "stop")

    def process_exited(
        self, container: SimulatedContainer, code: int, *, oom: bool = False, restart_immediately: bool = True
    ) -> None:
        """Its process ended by itself: here the restart policy counts."""
        container.oom_killed = oom
        if oom:
            self.notify(container, "oom")
        should_restart = _should_restart(container, code)
        self._end(container, code)
        if should_restart and container.id in self.by_id:
            container.restarts += 1
            if restart_immediately:
                self.start(container)
            else:
                container.status = "restarting"  # what ends at once would be started for ever
                container.clear_cache()

    def _end(self, container: SimulatedContainer, code: int) -> None:
        self.networks.leave(container)
        container.status, container.exit_code, container.finished_at, container.health = (
            "exited",
            code,
            time.time_ns(),
            "",
        )
        container.stopped.set()
        self.notify(container, "die", exitCode=str(code))
        self.activity.notify_all()
        if container.config.get("AutoRemove"):
            self._destroy(container)

    def remove(self, container: SimulatedContainer, *, force: bool) -> None:
        """Raises `EngineConflict` for a running one unless `force`."""
        if container.running or container.status == "restarting":
            if not force:
                raise EngineConflict(
                    f"You cannot remove a running container {container.id}. "
                    "Stop the container before attempting removal or force remove"
                )
            if container.running:
                self.kill(container, "KILL")
        if container.id in self.by_id:
            self._destroy(container)

    def _destroy(self, container: SimulatedContainer) -> None:
        del self.by_id[container.id], self._ids[container.name]
        for item in (container.body.get("Labels") or {}).items():
            self._labels[item].pop(container.id, None)
            if not self._labels[item]:
                del self._labels[item]
        self.notify(container, "destroy")

    def notify(self, container: SimulatedContainer, action: str, **more: str) -> None:
        """An event about a container, which has changed then."""
        container.clear_cache()
        attributes = {
            "name": container.name,
            "image": str(container.body.get("Image", "")),
            **(container.body.get("Labels") or {}),
            **more,
        }
        self.event_bus.notify(EngineEvent(time.time(), "container", action, container.id, attributes))


def _should_restart(container: SimulatedContainer, code: int) -> bool:
    policy = container.config.get("RestartPolicy") or {}
    name, max_retries = policy.get("Name") or "no", int(policy.get("MaximumRetryCount") or 0)
    return name in {"always", "unless-stopped"} or (
        name == "on-failure" and code != 0 and (not max_retries or container.restarts < max_retries)
    )
