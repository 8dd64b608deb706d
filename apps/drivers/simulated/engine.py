"""An engine in memory, as strict as Docker: for tests, demonstrations and runs with thousands of containers."""

from __future__ import annotations

import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from apps.drivers.base import (
    CreateRequest,
    EngineConflict,
    EngineContainer,
    EngineDown,
    EngineError,
    EngineEvent,
    EngineImage,
    EngineInfo,
    EngineNotFound,
    ExecSession,
    ImageMissing,
    LogLine,
    Measurement,
    PullProgress,
    StatsSample,
    Stream,
)
from apps.drivers.docker.container_stats import sum_samples
from apps.drivers.simulated import images
from apps.drivers.simulated.container import SimulatedContainer
from apps.drivers.simulated.containers import SimulatedContainers
from apps.drivers.simulated.shell import SimulatedExec
from apps.drivers.simulated.streams import LogStream, StatsStream, sample_container
from apps.drivers.simulated.validation import tagged_name, validate_create

MEMORY = 16 * 1024**3
_BUILT_IN_IMAGES = ("sim/", "sim:")

_engines: dict[str, SimulatedDriver] = {}
_lock = threading.Lock()


def simulated_engine(name: str) -> SimulatedDriver:
    """The engine of this name; the same one for everybody in the process."""
    with _lock:
        if name not in _engines:
            _engines[name] = SimulatedDriver(name)
        return _engines[name]


def reset_engines() -> None:
    """Switch every engine off and forget it."""
    with _lock:
        gone = list(_engines.values())
        _engines.clear()
    for one in gone:
        one.down = True


class SimulatedDriver:
    """One engine in memory.

    Its knobs: `local_images` are there, `registry` can be pulled, every call takes `delay` seconds and is counted in
    `calls`, statistics come every `tick` seconds; see also `down`, `fail_next`, `crash`, `pause`, `write_log` and
    `health`.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.local_images: set[str] = {"bb:local"}
        self.registry: set[str] = set()
        self.delay = 0.0
        self.tick = 1.0
        self.calls: Counter[str] = Counter()
        self._containers = SimulatedContainers()
        self._failures: dict[str, list[EngineError]] = {}
        self._down = False
        self._outages = 0

    @property
    def down(self) -> bool:
        """While it is True every call raises `EngineDown`; setting it ends all streams, as a cut cable does."""
        return self._down

    @down.setter
    def down(self, value: bool) -> None:
        self._down = value
        self._outages += value
        if value:
            self._containers.event_bus.end()
        with self._containers.activity:
            self._containers.activity.notify_all()

    def fail_next(self, call: str, error: EngineError, times: int = 1) -> None:
        """Have the next calls of a method ("create", "start", ...) raise this."""
        self._failures.setdefault(call, []).extend([error] * times)

    def crash(self, container_id: str, exit_code: int = 1, *, oom: bool = False) -> None:
        """End a container's process as if by itself: its restart policy counts."""
        with self._containers.lock:
            self._containers.process_exited(self._containers.get(container_id), exit_code, oom=oom)

    def write_log(self, container_id: str, text: str, stream: str = "stdout") -> None:
        """Have a container write a line."""
        with self._containers.lock:
            self._containers.write_log(self._containers.get(container_id), text, stream)

    def pause(self, container_id: str, *, paused: bool = True) -> None:
        """Freeze a container, or let it go on."""
        with self._containers.lock:
            self._containers.pause(self._containers.get(container_id), paused=paused)

    def health(self, container_id: str, status: str) -> None:
        """What a container's health check says: starting, healthy or unhealthy."""
        with self._containers.lock:
            self._containers.health(self._containers.get(container_id), status)

    def _begin_call(self, call: str) -> SimulatedContainers:
        self.calls[call] += 1
        if self.delay:
            time.sleep(self.delay)
        if self._down:
            raise EngineDown(f"The engine at sim://{self.name} cannot be reached: it is switched off.")
        if failures := self._failures.get(call):
            raise failures.pop(0)
        return self._containers

    def _stop_check(self, container: SimulatedContainer | None = None) -> Callable[[], bool]:
        """Whether a stream that begins now has come to its end."""
        outages, process_exited = self._outages, container.stopped if container else threading.Event()
        return lambda: self._outages != outages or process_exited.is_set()

    def ping(self) -> None:
        """Raise `EngineDown` unless it is up."""
        self._begin_call("ping")

    def info(self) -> EngineInfo:
        """A machine of four processors."""
        self._begin_call("info")
        return EngineInfo(
            engine_id=f"SIM:{self.name}",
            name=self.name,
            version="20.10.24",
            api_version="1.41",
            os="Simulated Linux",
            kernel="6.1.0",
            architecture="x86_64",
            cpus=4,
            memory=MEMORY,
            storage_driver="memory",
        )

    def describe_host(self) -> tuple[EngineInfo, Mapping[str, Any]]:
        """No agent stands beside it."""
        return self.info(), {}

    def close(self) -> None:
        """Nothing to let go of: the engine lives on."""

    def containers(self) -> list[EngineContainer]:
        """Every container on the engine."""
        containers = self._begin_call("containers")
        with containers.lock:
            return [container.snapshot(full=False) for container in containers.by_id.values()]

    def inspect(self, container_id: str) -> EngineContainer:
        """One container in full."""
        containers = self._begin_call("inspect")
        with containers.lock:
            return containers.get(container_id).snapshot(full=True)

    def find(self, label: str, value: str) -> EngineContainer | None:
        """The container that carries this label, or None."""
        containers = self._begin_call("find")
        with containers.lock:
            found = containers.find_by_label(label, value)
            return found.snapshot(full=True) if found else None

    def create(self, request: CreateRequest) -> str:
        """Make a container and return its id."""
        containers = self._begin_call("create")
        validate_create(request.name, request.body)
        image = str(request.body["Image"])
        if not self._has_image(image):
            raise ImageMissing(f"No such image: {tagged_name(image)}")
        with containers.lock:
            return containers.make(request.name.lstrip("/"), dict(request.body)).id

    def start(self, container_id: str) -> None:
        """Start it."""
        containers = self._begin_call("start")
        with containers.lock:
            containers.start(containers.get(container_id))

    def stop(self, container_id: str, timeout: int = 10) -> None:  # noqa: ARG002  # what runs here stops when asked
        """Ask it to stop."""
        containers = self._begin_call("stop")
        with containers.lock:
            containers.stop(containers.get(container_id))

    def restart(self, container_id: str, timeout: int = 10) -> None:  # noqa: ARG002
        """Stop it and start it."""
        containers = self._begin_call("restart")
        with containers.lock:
            container = containers.get(container_id)
            containers.stop(container)
            containers.start(container)
            containers.notify(container, "restart")

    def kill(self, container_id: str, signal: str = "KILL") -> None:
        """Send a signal."""
        containers = self._begin_call("kill")
        with containers.lock:
            containers.kill(containers.get(container_id), signal)

    def remove(self, container_id: str, *, force: bool = True, volumes: bool = True) -> None:  # noqa: ARG002
        """Remove it; a missing one is no error."""
        containers = self._begin_call("remove")
        with containers.lock:
            try:
                container = containers.get(container_id)
            except EngineNotFound:
                return
            containers.remove(container, force=force)

    def rename(self, container_id: str, name: str) -> None:
        """Give it another name."""
        containers = self._begin_call("rename")
        validate_create(name, {"Image": "-"})
        with containers.lock:
            containers.rename(containers.get(container_id), name.lstrip("/"))

    def images(self) -> list[EngineImage]:
        """Every image that is there by name."""
        self._begin_call("images")
        return [images.to_engine_image(tag) for tag in sorted(self.local_images)]

    def find_image(self, image: str) -> EngineImage | None:
        """The image of this name, or None."""
        self._begin_call("find_image")
        return images.to_engine_image(tagged_name(image)) if self._has_image(image) else None

    def save(self, image: str) -> Stream[bytes]:
        """The image as an archive, piece by piece."""
        self._begin_call("save")
        if not self._has_image(image):
            raise EngineNotFound(f"No such image: {tagged_name(image)}")
        return images.SimulatedArchive(tagged_name(image), lambda: self._down)

    def load(self, pieces: Iterable[bytes]) -> None:
        """Take in an archive that `save` gave."""
        self._begin_call("load")
        self.local_images.add(images.read_archive(pieces, lambda: self._down))

    def _has_image(self, image: str) -> bool:
        return image.startswith(_BUILT_IN_IMAGES) or tagged_name(image) in self.local_images

    def pull(self, image: str, auth: Mapping[str, str] | None = None) -> Iterator[PullProgress]:  # noqa: ARG002
        """Pull an image that `registry` has, in a few steps."""
        self._begin_call("pull")
        key = tagged_name(image)
        if not self._has_image(image) and key not in self.registry:
            raise EngineNotFound(
                f"pull access denied for {key.rpartition(':')[0]}, repository does not exist or may require "
                "'docker login': denied: requested access to the resource is denied"
            )
        for percent in (0, 40, 70):
            yield PullProgress(percent, f"{secrets.token_hex(6)}: Downloading")
            time.sleep(self.delay)
        self.local_images.add(key)
        yield PullProgress(100, f"Downloaded newer image for {key}")

    def remove_image(self, image: str, *, force: bool = False) -> None:
        """Remove an image. Raises `EngineConflict` while containers use it."""
        containers = self._begin_call("remove_image")
        key = tagged_name(image)
        with containers.lock:
            users = [
                container
                for container in containers.by_id.values()
                if tagged_name(str(container.body.get("Image"))) == key
            ]
        if key not in self.local_images:
            raise EngineNotFound(f"No such image: {key}")
        if users and not force:
            raise EngineConflict(
                f'conflict: unable to remove repository reference "{key}" (must force) - '
                f"container {users[0].id[:12]} is using its referenced image"
            )
        self.local_images.discard(key)

    def ensure_network(self, name: str, labels: Mapping[str, str]) -> str:
        """The id of the bridge network `name`, made if absent."""
        containers = self._begin_call("ensure_network")
        with containers.lock:
            return containers.networks.ensure(name, labels).id

    def remove_network(self, name: str) -> None:
        """Remove it; a missing one is no error."""
        containers = self._begin_call("remove_network")
        with containers.lock:
            if name in containers.networks.by_name:
                containers.networks.remove(name)

    def events(self, since: float | None = None) -> Stream[EngineEvent]:
        """What happens from `since` or now on."""
        return self._begin_call("events").event_bus.follow(since)

    def logs(
        self,
        container_id: str,
        *,
        follow: bool = True,
        tail: int | None = 100,
        since: str = "",
    ) -> Stream[LogLine]:
        """The last `tail` lines, only those after `since`, then new ones if `follow`."""
        containers = self._begin_call("logs")
        with containers.lock:
            container = containers.get(container_id)
            return LogStream(
                container, containers.activity, self._stop_check(container), follow=follow, tail=tail, since=since
            )

    def exec(self, container_id: str, command: list[str], *, tty: bool = True) -> ExecSession:
        """Run a command inside a running container."""
        containers = self._begin_call("exec")
        with containers.lock:
            container = containers.get(container_id)
            if not container.running:
                raise EngineConflict(f"Container {container.id} is not running")
            return SimulatedExec(command, tty=tty, hostname=container.id[:12], stopped=self._stop_check(container))

    def stats(self, container_id: str) -> Stream[StatsSample]:
        """A sample at every tick while the container runs."""
        containers = self._begin_call("stats")
        with containers.lock:
            container = containers.get(container_id)
        stopped = self._stop_check(container)
        return StatsStream(
            lambda: sample_container(container, MEMORY), lambda: stopped() or not container.running, self.tick
        )

    def host_stats(self) -> Stream[StatsSample]:
        """All containers together, at every tick."""
        containers = self._begin_call("host_stats")

        def take() -> StatsSample:
            with containers.lock:
                running = [container for container in containers.by_id.values() if container.running]
            return sum_samples(
                (sample_container(container, MEMORY) for container in running),
                at=time.time(),
                cpus=4,
                memory_limit=MEMORY,
            )

        return StatsStream(take, self._stop_check(), self.tick)

    def measure(self) -> Measurement:
        """One sample of everything."""
        containers = self._begin_call("measure")
        with containers.lock:
            found = {
                container.id: sample_container(container, MEMORY)
                for container in containers.by_id.values()
                if container.running
            }
        return Measurement(sum_samples(found.values(), at=time.time(), cpus=4, memory_limit=MEMORY), found)
