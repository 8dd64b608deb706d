"""The containers of a simulated engine: made, started, ended and removed by Docker's rules."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Iterator, Mapping
from typing import Any

from corral_agent.simulated import validation
from corral_agent.simulated.container import SimulatedContainer
from corral_agent.simulated.errors import EngineApiError, conflict, not_found
from corral_agent.simulated.event_bus import EventBus
from corral_agent.simulated.failure import FailureScript
from corral_agent.simulated.networks import SimulatedNetworks
from corral_agent.simulated.shell import run_command

_FATAL_SIGNALS = {"KILL": 137, "9": 137, "TERM": 143, "15": 143, "INT": 130, "2": 130, "QUIT": 131, "3": 131}


class SimulatedContainers:
    """All containers of one engine."""

    def __init__(self, event_bus: EventBus) -> None:
        self.event_bus, self.networks = event_bus, SimulatedNetworks()
        self.by_id: dict[str, SimulatedContainer] = {}
        self._ids: dict[str, str] = {}

    def __iter__(self) -> Iterator[SimulatedContainer]:
        return iter(self.by_id.values())

    def get(self, reference: str) -> SimulatedContainer:
        """By id, name or the beginning of an id. Raises `EngineApiError`."""
        found = self.by_id.get(reference) or self.by_id.get(self._ids.get(reference.lstrip("/"), ""))
        if found is None and len(reference) >= 4:
            found = next((container for key, container in self.by_id.items() if key.startswith(reference)), None)
        if found is None:
            raise not_found(f"No such container: {reference}")
        return found

    def make(self, name: str, body: Mapping[str, Any]) -> SimulatedContainer:
        """A new container. Raises `EngineApiError`."""
        name = validation.validate_name(name) if name else f"sim_{secrets.token_hex(4)}"
        validation.validate_body(body)
        self._check_name_free(name)
        container = SimulatedContainer(secrets.token_hex(32), name, body)
        FailureScript.of(container).raise_if_scripted("create")
        container.addresses = dict.fromkeys(self.networks.names(container), "")
        self.by_id[container.id], self._ids[name] = container, container.id
        self.notify(container, "create")
        return container

    def _check_name_free(self, name: str) -> None:
        if name in self._ids:
            raise conflict(
                f'Conflict. The container name "/{name}" is already in use by container "{self._ids[name]}". '
                "You have to remove (or rename) that container to be able to reuse that name."
            )

    def rename(self, container: SimulatedContainer, name: str) -> None:
        """Give it another name. Raises `EngineApiError`."""
        name = validation.validate_name(name)
        self._check_name_free(name)
        del self._ids[container.name]
        old, container.name = container.name, name
        self._ids[name] = container.id
        self.notify(container, "rename", oldName=f"/{old}")

    def start(self, container: SimulatedContainer) -> bool:
        """Start it; False when it ran already. Raises `EngineApiError` with what keeps it from starting."""
        if container.running:
            return False
        if container.mode.startswith("container:"):
            self.get(container.mode.partition(":")[2])
        try:
            FailureScript.of(container).raise_if_scripted("start")
            self.networks.join(container)
        except EngineApiError as error:
            container.error, container.exit_code = str(error), 128
            raise
        container.status, container.error, container.exit_code, container.oom_killed = "running", "", 0, False
        container.started_at = time.time_ns()
        self.notify(container, "start")
        self._run_process(container)
        return True

    def _run_process(self, container: SimulatedContainer) -> None:
        done = run_command(container.command, hostname=str(container.body.get("Hostname") or container.id[:12]))
        if done is not None:
            for line in done[0].splitlines():
                container.write_log(line)
            self.process_exited(container, done[1], restart_immediately=False)
            return
        if (container.body.get("Healthcheck") or {}).get("Test", ["NONE"]) != ["NONE"]:
            self.health(container, "healthy")
        failure = FailureScript.of(container)
        if failure.after is not None:
            container.failure = asyncio.get_running_loop().call_later(
                failure.after, self._apply_script, container, failure
            )

    def _apply_script(self, container: SimulatedContainer, failure: FailureScript) -> None:
        if failure.at == "unhealthy":
            self.health(container, "unhealthy")
        else:
            self.process_exited(container, 137 if failure.at == "oom" else 1, oom=failure.at == "oom")

    def health(self, container: SimulatedContainer, status: str) -> None:
        """What its health check says from now on."""
        container.health = status
        self.notify(container, f"health_status: {status}")

    def kill(self, container: SimulatedContainer, signal: str) -> None:
        """Send a signal; nobody's restart policy brings back what a person killed. Raises `EngineApiError`."""
        if not container.running:
            raise conflict(f"Cannot kill container: {container.name}: Container {container.id} is not running")
        name = signal.upper().removeprefix("SIG") or "KILL"
        self.notify(container, "kill", signal=name)
        if name in _FATAL_SIGNALS:
            self._end(container, _FATAL_SIGNALS[name])

    def stop(self, container: SimulatedContainer) -> bool:
        """Stop it, as its process listens to TERM; False when it did not run."""
        if container.status == "restarting":
            container.status = "exited"
            self.notify(container, "stop")
            return True
        if not container.running:
            return False
        self.notify(container, "kill", signal="15")
        self._end(container, 143 if container.config.get("Init") else 0)
        self.notify(container, "stop")
        return True

    def process_exited(
        self, container: SimulatedContainer, code: int, *, oom: bool = False, restart_immediately: bool = True
    ) -> None:
        """Its process ended by itself: here the restart policy counts."""
        if not container.running:
            return
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

    def _end(self, container: SimulatedContainer, code: int) -> None:
        if container.failure is not None:
            container.failure.cancel()
            container.failure = None
        self.networks.leave(container)
        container.status, container.exit_code, container.finished_at, container.health = (
            "exited",
            code,
            time.time_ns(),
            "",
        )
        self.notify(container, "die", exitCode=str(code))
        container.notify()
        if container.config.get("AutoRemove"):
            self._destroy(container)

    def remove(self, container: SimulatedContainer, *, force: bool) -> None:
        """Raises `EngineApiError` for a running one unless `force`."""
        if container.running or container.status == "restarting":
            if not force:
                raise conflict(
                    f"You cannot remove a running container {container.id}. "
                    "Stop the container before attempting removal or force remove"
                )
            if container.running:
                self.kill(container, "KILL")
        if container.id in self.by_id:
            self._destroy(container)

    def _destroy(self, container: SimulatedContainer) -> None:
        del self.by_id[container.id], self._ids[container.name]
        self.notify(container, "destroy")
        container.notify()

    def notify(self, container: SimulatedContainer, action: str, **more: str) -> None:
        """An event about a container."""
        self.event_bus.notify(
            "container",
            action,
            container.id,
            {"name": container.name, "image": container.image, **container.labels, **more},
        )


def _should_restart(container: SimulatedContainer, code: int) -> bool:
    policy = container.config.get("RestartPolicy") or {}
    name, max_retries = policy.get("Name") or "no", int(policy.get("MaximumRetryCount") or 0)
    return name in {"always", "unless-stopped"} or (
        name == "on-failure" and code != 0 and (not max_retries or container.restarts < max_retries)
    )
