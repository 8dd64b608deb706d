"""The containers of a simulated engine: created, started, ended and removed by Docker's rules."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from typing import Any

from simulated_engine.commands import run_command
from simulated_engine.container import SimulatedContainer
from simulated_engine.errors import EngineApiError, conflict, not_found
from simulated_engine.events import EventBus
from simulated_engine.failure import FailureScript
from simulated_engine.images import SimulatedImages
from simulated_engine.logs import ContainerLog
from simulated_engine.networks import SimulatedNetworks, requested_networks
from simulated_engine.runtime import Runtime
from simulated_engine.validation import validate_body, validate_name
from simulated_engine.volumes import SimulatedVolumes

# Exit codes are 128 and the number of the signal. Any other signal is ignored by what runs here.
_FATAL_SIGNALS = {"KILL": 137, "9": 137, "TERM": 143, "15": 143, "INT": 130, "2": 130, "QUIT": 131, "3": 131}
_MIN_PREFIX = 4


class SimulatedContainers:
    """All containers of one engine.

    Callers on several threads hold `lock` around every call; the engine's own timers take it themselves.
    """

    def __init__(
        self,
        runtime: Runtime,
        events: EventBus,
        images: SimulatedImages,
        volumes: SimulatedVolumes,
        lock: threading.RLock,
    ) -> None:
        self._runtime, self._events, self._images, self._lock = runtime, events, images, lock
        self._volumes = volumes
        self.networks = SimulatedNetworks(runtime, events)
        self.by_id: dict[str, SimulatedContainer] = {}
        self._ids: dict[str, str] = {}
        self._labels: dict[tuple[str, str], dict[str, None]] = {}

    def __iter__(self) -> Iterator[SimulatedContainer]:
        return iter(self.by_id.values())

    def get(self, reference: str) -> SimulatedContainer:
        """By id, name or the beginning of an id. Raises `EngineApiError`."""
        found = self.by_id.get(reference) or self.by_id.get(self._ids.get(reference.lstrip("/"), ""))
        if found is None and len(reference) >= _MIN_PREFIX:
            found = next((container for key, container in self.by_id.items() if key.startswith(reference)), None)
        if found is None:
            raise not_found(f"No such container: {reference}")
        return found

    def find_by_label(self, label: str, value: str) -> SimulatedContainer | None:
        """The first container that carries this label; by an index, as there may be ten thousand."""
        return next((self.by_id[key] for key in self._labels.get((label, value), ())), None)

    def create(self, name: str, body: Mapping[str, Any], platform: str = "") -> SimulatedContainer:
        """A new container, with a name of its own if none is given. Raises `EngineApiError`."""
        validate_body(body)
        image_key = self._images.id_of(str(body["Image"]))
        self._images.require_platform(str(body["Image"]), platform)
        name = validate_name(name) if name else f"sim_{self._runtime.random_hex(4)}"
        self._check_name_free(name)
        now, log = self._runtime.now(), ContainerLog(self._runtime.max_log_lines)
        container = SimulatedContainer(self._runtime.random_hex(32), name, body, now, log, image_key)
        container.unnamed_volumes = {path: self._runtime.random_hex(32) for path in container.unnamed_paths}
        FailureScript.from_labels(container.labels).raise_if_scripted("create")
        container.addresses = dict.fromkeys(requested_networks(container), "")
        # Hashed before anything is registered: a value that cannot be must not leave half a container behind.
        for item in dict.fromkeys(container.labels.items()):
            self._labels.setdefault(item, {})[container.id] = None
        self._volumes.mount(container)
        self.by_id[container.id], self._ids[name] = container, container.id
        self.publish(container, "create")
        return container

    def _check_name_free(self, name: str) -> None:
        if name in self._ids:
            raise conflict(
                f'Conflict. The container name "/{name}" is already in use by container "{self._ids[name]}". '
                "You have to remove (or rename) that container to be able to reuse that name."
            )

    def rename(self, container: SimulatedContainer, name: str) -> None:
        """Give it another name. Raises `EngineApiError`."""
        name = validate_name(name)
        self._check_name_free(name)
        del self._ids[container.name]
        old, container.name = container.name, name
        self._ids[name] = container.id
        self.publish(container, "rename", oldName=f"/{old}")

    def start(self, container: SimulatedContainer) -> bool:
        """Start it; False when it ran already. Raises `EngineApiError` with what keeps it from starting."""
        if container.status == "paused":
            raise conflict("cannot start a paused container, try unpause instead")
        if container.running:
            return False
        if container.mode.startswith("container:"):
            self.get(container.mode.partition(":")[2])
        try:
            FailureScript.from_labels(container.labels).raise_if_scripted("start")
            self.networks.join(container)
        except EngineApiError as error:
            # The engine leaves it `created`, with the reason and this code in its state.
            container.error, container.exit_code = str(error), 128
            container.revision += 1
            raise
        container.status, container.error, container.exit_code, container.oom_killed = "running", "", 0, False
        container.started_at = self._runtime.now()
        container.run += 1
        self.publish(container, "start")
        self._run_process(container)
        return True

    def _run_process(self, container: SimulatedContainer) -> None:
        output = run_command(container.command, hostname=container.hostname)
        if output is not None:
            for line in output.text.splitlines():
                self.write_log(container, line)
            # What ends at once would be started for ever: its restart is left to the next start.
            self.process_exited(container, output.exit_code, restart_immediately=False)
            return
        if (container.body.get("Healthcheck") or {}).get("Test", ["NONE"]) != ["NONE"]:
            self.set_health(container, "healthy")
        self._schedule_failure(container)

    def _schedule_failure(self, container: SimulatedContainer) -> None:
        failure, run = FailureScript.from_labels(container.labels), container.run

        def fail() -> None:
            with self._lock:
                # A timer on another thread may have been due just when the container ended and started again.
                if not container.has_ended(run):
                    self._fail(container, failure)

        if failure.after is not None:
            container.cancel_failure = self._runtime.schedule(failure.after, fail)

    def _fail(self, container: SimulatedContainer, failure: FailureScript) -> None:
        if failure.at == "unhealthy":
            self.set_health(container, "unhealthy")
        else:
            self.process_exited(container, 137 if failure.at == "oom" else 1, oom=failure.at == "oom")

    def set_health(self, container: SimulatedContainer, status: str) -> None:
        """Have its health check say this from now on."""
        container.health = status
        self.publish(container, f"health_status: {status}")

    def write_log(self, container: SimulatedContainer, text: str, stream: str = "stdout") -> None:
        """Have its process write a line."""
        container.write_log(self._runtime.now(), text, stream)

    def pause(self, container: SimulatedContainer, *, paused: bool) -> None:
        """Freeze it, or let it go on. Raises `EngineApiError`."""
        before, after = ("running", "paused") if paused else ("paused", "running")
        if container.status != before:
            raise conflict(f"Container {container.id} is {container.status}")
        container.status = after
        self.publish(container, "pause" if paused else "unpause")

    def kill(self, container: SimulatedContainer, signal: str) -> None:
        """Send a signal; no restart policy brings back what a person killed. Raises `EngineApiError`."""
        if not container.running:
            raise conflict(f"Cannot kill container: {container.name}: Container {container.id} is not running")
        name = signal.upper().removeprefix("SIG") or "KILL"
        self.publish(container, "kill", signal=name)
        if name in _FATAL_SIGNALS:
            self._end(container, _FATAL_SIGNALS[name])

    def stop(self, container: SimulatedContainer) -> bool:
        """Stop it: its process obeys TERM at once. False when it did not run."""
        if container.status == "restarting":
            container.status = "exited"
            self.publish(container, "stop")
            return True
        if not container.running:
            return False
        self.publish(container, "kill", signal="15")
        # An init process passes the signal's code on; what runs without one traps TERM and exits well.
        self._end(container, 143 if container.config.get("Init") else 0)
        self.publish(container, "stop")
        return True

    def restart(self, container: SimulatedContainer) -> None:
        """Stop it and start it. Raises `EngineApiError`."""
        self.stop(container)
        self.start(container)
        self.publish(container, "restart")

    def process_exited(
        self, container: SimulatedContainer, code: int, *, oom: bool = False, restart_immediately: bool = True
    ) -> None:
        """Its process ended by itself: here the restart policy counts."""
        if not container.running:
            return
        container.oom_killed = oom
        if oom:
            self.publish(container, "oom")
        should_restart = _should_restart(container, code)
        self._end(container, code)
        if should_restart and container.id in self.by_id:  # AutoRemove may have taken it away
            container.restarts += 1
            container.revision += 1
            if restart_immediately:
                self.start(container)
            else:
                container.status = "restarting"

    def _end(self, container: SimulatedContainer, code: int) -> None:
        if container.cancel_failure is not None:
            container.cancel_failure()
            container.cancel_failure = None
        self.networks.leave(container)
        container.status, container.exit_code, container.health = "exited", code, ""
        container.finished_at = self._runtime.now()
        self.publish(container, "die", exitCode=str(code))
        container.notify()  # after its state is set: whoever is notified reads it at once
        if container.config.get("AutoRemove"):
            self._destroy(container)

    def remove(self, container: SimulatedContainer, *, force: bool) -> None:
        """Remove it. Raises `EngineApiError` for a running one unless `force`."""
        if container.running or container.status == "restarting":
            if not force:
                raise conflict(
                    f"You cannot remove a running container {container.id}. "
                    "Stop the container before attempting removal or force remove"
                )
            if container.running:
                self.kill(container, "KILL")
        if container.id in self.by_id:  # the end of its process may have removed it already
            self._destroy(container)

    def _destroy(self, container: SimulatedContainer) -> None:
        del self.by_id[container.id], self._ids[container.name]
        for item in container.labels.items():
            self._labels[item].pop(container.id, None)
            if not self._labels[item]:
                del self._labels[item]
        self._volumes.unmount(container)
        self.publish(container, "destroy")
        container.notify()

    def publish(self, container: SimulatedContainer, action: str, **more: str) -> None:
        """Publish an event about a container, which has changed then."""
        container.revision += 1
        attributes = {"name": container.name, "image": container.image, **container.labels, **more}
        self._events.publish("container", action, container.id, attributes)


def _should_restart(container: SimulatedContainer, code: int) -> bool:
    policy = container.config.get("RestartPolicy") or {}
    name, max_retries = policy.get("Name") or "no", int(policy.get("MaximumRetryCount") or 0)
    return name in {"always", "unless-stopped"} or (
        name == "on-failure" and code != 0 and (not max_retries or container.restarts < max_retries)
    )
