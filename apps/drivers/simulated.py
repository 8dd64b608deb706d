"""An engine in memory, as strict as Docker: for tests, demonstrations and runs with thousands of containers."""

from __future__ import annotations

import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from apps.drivers import simulated_images
from apps.drivers.base import (
    ContainerSeen,
    CreateRequest,
    EngineConflict,
    EngineDown,
    EngineError,
    EngineEvent,
    EngineInfo,
    EngineNotFound,
    ExecSession,
    ImageMissing,
    ImageSeen,
    LogLine,
    Measured,
    PullProgress,
    StatsSample,
    Stream,
)
from apps.drivers.docker_stats import total
from apps.drivers.simulated_boxes import Boxes
from apps.drivers.simulated_rules import check, image_key
from apps.drivers.simulated_shell import SimulatedExec
from apps.drivers.simulated_streams import LogStream, StatsStream, sample
from apps.drivers.simulated_values import Box

MEMORY = 16 * 1024**3
_ALWAYS_THERE = ("sim/", "sim:")

_engines: dict[str, SimulatedDriver] = {}
_lock = threading.Lock()


def engine(name: str) -> SimulatedDriver:
    """The engine of this name; the same one for everybody in the process."""
    with _lock:
        if name not in _engines:
            _engines[name] = SimulatedDriver(name)
        return _engines[name]


def reset() -> None:
    """Switch every engine off and forget it."""
    with _lock:
        gone = list(_engines.values())
        _engines.clear()
    for one in gone:
        one.down = True


class SimulatedDriver:
    """One engine in memory.

    Its knobs: `images_there` are there, `registry` can be pulled, every call takes `delay` seconds and is counted in
    `calls`, statistics come every `tick` seconds; see also `down`, `fail_next`, `crash`, `pause`, `say` and `health`.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.images_there: set[str] = {"bb:local"}
        self.registry: set[str] = set()
        self.delay = 0.0
        self.tick = 1.0
        self.calls: Counter[str] = Counter()
        self._boxes = Boxes()
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
            self._boxes.hub.end()
        with self._boxes.news:
            self._boxes.news.notify_all()

    def fail_next(self, call: str, error: EngineError, times: int = 1) -> None:
        """Have the next calls of a method ("create", "start", ...) raise this."""
        self._failures.setdefault(call, []).extend([error] * times)

    def crash(self, container_id: str, exit_code: int = 1, *, oom: bool = False) -> None:
        """End a container's process as if by itself: its restart policy counts."""
        with self._boxes.lock:
            self._boxes.ended(self._boxes.get(container_id), exit_code, oom=oom)

    def say(self, container_id: str, text: str, stream: str = "stdout") -> None:
        """Have a container write a line."""
        with self._boxes.lock:
            self._boxes.say(self._boxes.get(container_id), text, stream)

    def pause(self, container_id: str, *, paused: bool = True) -> None:
        """Freeze a container, or let it go on."""
        with self._boxes.lock:
            self._boxes.pause(self._boxes.get(container_id), paused=paused)

    def health(self, container_id: str, status: str) -> None:
        """What a container's health check says: starting, healthy or unhealthy."""
        with self._boxes.lock:
            self._boxes.health(self._boxes.get(container_id), status)

    def _enter(self, call: str) -> Boxes:
        self.calls[call] += 1
        if self.delay:
            time.sleep(self.delay)
        if self._down:
            raise EngineDown(f"The engine at sim://{self.name} cannot be reached: it is switched off.")
        if failures := self._failures.get(call):
            raise failures.pop(0)
        return self._boxes

    def _over(self, box: Box | None = None) -> Callable[[], bool]:
        """Whether a stream that begins now has come to its end."""
        outages, ended = self._outages, box.over if box else threading.Event()
        return lambda: self._outages != outages or ended.is_set()

    def ping(self) -> None:
        """Raise `EngineDown` unless it is up."""
        self._enter("ping")

    def info(self) -> EngineInfo:
        """A machine of four processors."""
        self._enter("info")
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

    def about(self) -> tuple[EngineInfo, Mapping[str, Any]]:
        """No agent stands beside it."""
        return self.info(), {}

    def close(self) -> None:
        """Nothing to let go of: the engine lives on."""

    def containers(self) -> list[ContainerSeen]:
        """Every container on the engine."""
        boxes = self._enter("containers")
        with boxes.lock:
            return [box.shown(full=False) for box in boxes.by_id.values()]

    def inspect(self, container_id: str) -> ContainerSeen:
        """One container in full."""
        boxes = self._enter("inspect")
        with boxes.lock:
            return boxes.get(container_id).shown(full=True)

    def find(self, label: str, value: str) -> ContainerSeen | None:
        """The container that carries this label, or None."""
        boxes = self._enter("find")
        with boxes.lock:
            found = boxes.labelled(label, value)
            return found.shown(full=True) if found else None

    def create(self, request: CreateRequest) -> str:
        """Make a container and return its id."""
        boxes = self._enter("create")
        check(request.name, request.body)
        image = str(request.body["Image"])
        if not self._has(image):
            raise ImageMissing(f"No such image: {image_key(image)}")
        with boxes.lock:
            return boxes.make(request.name.lstrip("/"), dict(request.body)).id

    def start(self, container_id: str) -> None:
        """Start it."""
        boxes = self._enter("start")
        with boxes.lock:
            boxes.start(boxes.get(container_id))

    def stop(self, container_id: str, timeout: int = 10) -> None:  # noqa: ARG002  # what runs here stops when asked
        """Ask it to stop."""
        boxes = self._enter("stop")
        with boxes.lock:
            boxes.stop(boxes.get(container_id))

    def restart(self, container_id: str, timeout: int = 10) -> None:  # noqa: ARG002
        """Stop it and start it."""
        boxes = self._enter("restart")
        with boxes.lock:
            box = boxes.get(container_id)
            boxes.stop(box)
            boxes.start(box)
            boxes.tell(box, "restart")

    def kill(self, container_id: str, signal: str = "KILL") -> None:
        """Send a signal."""
        boxes = self._enter("kill")
        with boxes.lock:
            boxes.kill(boxes.get(container_id), signal)

    def remove(self, container_id: str, *, force: bool = True, volumes: bool = True) -> None:  # noqa: ARG002
        """Remove it; a missing one is no error."""
        boxes = self._enter("remove")
        with boxes.lock:
            try:
                box = boxes.get(container_id)
            except EngineNotFound:
                return
            boxes.remove(box, force=force)

    def rename(self, container_id: str, name: str) -> None:
        """Give it another name."""
        boxes = self._enter("rename")
        check(name, {"Image": "-"})
        with boxes.lock:
            boxes.rename(boxes.get(container_id), name.lstrip("/"))

    def images(self) -> list[ImageSeen]:
        """Every image that is there by name."""
        self._enter("images")
        return [simulated_images.seen(tag) for tag in sorted(self.images_there)]

    def find_image(self, image: str) -> ImageSeen | None:
        """The image of this name, or None."""
        self._enter("find_image")
        return simulated_images.seen(image_key(image)) if self._has(image) else None

    def save(self, image: str) -> Stream[bytes]:
        """The image as an archive, piece by piece."""
        self._enter("save")
        if not self._has(image):
            raise EngineNotFound(f"No such image: {image_key(image)}")
        return simulated_images.Archive(image_key(image), lambda: self._down)

    def load(self, pieces: Iterable[bytes]) -> None:
        """Take in an archive that `save` gave."""
        self._enter("load")
        self.images_there.add(simulated_images.read(pieces, lambda: self._down))

    def _has(self, image: str) -> bool:
        return image.startswith(_ALWAYS_THERE) or image_key(image) in self.images_there

    def pull(self, image: str, auth: Mapping[str, str] | None = None) -> Iterator[PullProgress]:  # noqa: ARG002
        """Pull an image that `registry` has, in a few steps."""
        self._enter("pull")
        key = image_key(image)
        if not self._has(image) and key not in self.registry:
            raise EngineNotFound(
                f"pull access denied for {key.rpartition(':')[0]}, repository does not exist or may require "
                "'docker login': denied: requested access to the resource is denied"
            )
        for percent in (0, 40, 70):
            yield PullProgress(percent, f"{secrets.token_hex(6)}: Downloading")
            time.sleep(self.delay)
        self.images_there.add(key)
        yield PullProgress(100, f"Downloaded newer image for {key}")

    def remove_image(self, image: str, *, force: bool = False) -> None:
        """Remove an image. Raises `EngineConflict` while containers use it."""
        boxes = self._enter("remove_image")
        key = image_key(image)
        with boxes.lock:
            users = [box for box in boxes.by_id.values() if image_key(str(box.body.get("Image"))) == key]
        if key not in self.images_there:
            raise EngineNotFound(f"No such image: {key}")
        if users and not force:
            raise EngineConflict(
                f'conflict: unable to remove repository reference "{key}" (must force) - '
                f"container {users[0].id[:12]} is using its referenced image"
            )
        self.images_there.discard(key)

    def ensure_network(self, name: str, labels: Mapping[str, str]) -> str:
        """The id of the bridge network `name`, made if absent."""
        boxes = self._enter("ensure_network")
        with boxes.lock:
            return boxes.networks.ensure(name, labels).id

    def remove_network(self, name: str) -> None:
        """Remove it; a missing one is no error."""
        boxes = self._enter("remove_network")
        with boxes.lock:
            if name in boxes.networks.by_name:
                boxes.networks.remove(name)

    def events(self, since: float | None = None) -> Stream[EngineEvent]:
        """What happens from `since` or now on."""
        return self._enter("events").hub.follow(since)

    def logs(
        self,
        container_id: str,
        *,
        follow: bool = True,
        tail: int | None = 100,
        since: str = "",
    ) -> Stream[LogLine]:
        """The last `tail` lines, only those after `since`, then new ones if `follow`."""
        boxes = self._enter("logs")
        with boxes.lock:
            box = boxes.get(container_id)
            return LogStream(box, boxes.news, self._over(box), follow=follow, tail=tail, since=since)

    def exec(self, container_id: str, command: list[str], *, tty: bool = True) -> ExecSession:
        """Run a command inside a running container."""
        boxes = self._enter("exec")
        with boxes.lock:
            box = boxes.get(container_id)
            if not box.running:
                raise EngineConflict(f"Container {box.id} is not running")
            return SimulatedExec(command, tty=tty, hostname=box.id[:12], over=self._over(box))

    def stats(self, container_id: str) -> Stream[StatsSample]:
        """A sample at every tick while the container runs."""
        boxes = self._enter("stats")
        with boxes.lock:
            box = boxes.get(container_id)
        over = self._over(box)
        return StatsStream(lambda: sample(box, MEMORY), lambda: over() or not box.running, self.tick)

    def host_stats(self) -> Stream[StatsSample]:
        """All containers together, at every tick."""
        boxes = self._enter("host_stats")

        def take() -> StatsSample:
            with boxes.lock:
                running = [box for box in boxes.by_id.values() if box.running]
            return total((sample(box, MEMORY) for box in running), at=time.time(), cpus=4, memory_limit=MEMORY)

        return StatsStream(take, self._over(), self.tick)

    def measure(self) -> Measured:
        """One sample of everything."""
        boxes = self._enter("measure")
        with boxes.lock:
            found = {box.id: sample(box, MEMORY) for box in boxes.by_id.values() if box.running}
        return Measured(total(found.values(), at=time.time(), cpus=4, memory_limit=MEMORY), found)
