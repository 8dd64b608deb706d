"""An engine in memory, as strict as Docker: for tests, demonstrations and runs with thousands of containers."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar
from weakref import WeakKeyDictionary, WeakSet

from apps.drivers.api_versions import require_known_keys
from apps.drivers.base import (
    CreateRequest,
    EngineContainer,
    EngineDown,
    EngineError,
    EngineEvent,
    EngineInfo,
    LogLine,
    Measurement,
    NetworkSpec,
    StatsSample,
    Stream,
)
from apps.drivers.docker.container_stats import sum_samples
from apps.drivers.docker.errors import error_from_response
from apps.drivers.docker.parsing import parse_container, parse_container_summary, parse_info
from apps.drivers.simulated.exec_calls import SimulatedExecCalls
from apps.drivers.simulated.image_calls import SimulatedImageCalls
from apps.drivers.simulated.registry import SimulatedRegistry
from apps.drivers.simulated.streams import EventStream, LogStream, StatsStream
from apps.drivers.simulated.volumes import SimulatedVolumeCalls
from simulated_engine.container import SimulatedContainer
from simulated_engine.engine import API_VERSION, EngineCore
from simulated_engine.errors import EngineApiError
from simulated_engine.runtime import Cancel, Runtime
from simulated_engine.serialize import container_details, container_summary
from simulated_engine.stats import CPUS, MEMORY, sample_container

_MAX_LOG_LINES = 10_000


class _Closable(Protocol):
    """A stream or session that an outage ends."""

    def close(self) -> None: ...


StreamT = TypeVar("StreamT", bound=_Closable)
_SnapshotCache = WeakKeyDictionary[SimulatedContainer, tuple[int, EngineContainer]]

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


class SimulatedDriver(SimulatedImageCalls, SimulatedVolumeCalls, SimulatedExecCalls):
    """One engine in memory.

    Its knobs: `local_images` are there, `registry` can be pulled, every call takes `delay` seconds and is counted in
    `calls`, statistics come every `tick` seconds; see also `down`, `fail_next`, `crash`, `pause`, `write_log`,
    `health` and `snapshots`.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._core = EngineCore(name, f"SIM:{name}", Runtime(schedule=_start_timer, max_log_lines=_MAX_LOG_LINES))
        self.local_images = self._core.images
        self.local_images.add("bb:local")
        self.registry = SimulatedRegistry()
        self.delay = 0.0
        self.calls: Counter[str] = Counter()
        self._failures: dict[str, list[EngineError]] = {}
        self._down = False
        self._open: WeakSet[_Closable] = WeakSet()
        # Answers are kept until their container changes: a host may have ten thousand, and is listed often.
        self._details: _SnapshotCache = WeakKeyDictionary()
        self._summaries: _SnapshotCache = WeakKeyDictionary()

    @property
    def tick(self) -> float:
        """Seconds between two samples of statistics."""
        return self._core.tick

    @tick.setter
    def tick(self, value: float) -> None:
        self._core.tick = value

    @property
    def down(self) -> bool:
        """While it is True every call raises `EngineDown`; setting it ends all streams, as a cut cable does."""
        return self._down

    @down.setter
    def down(self, value: bool) -> None:
        with self._core.lock:
            self._down = value
            open_streams = list(self._open) if value else []
        for stream in open_streams:
            stream.close()

    def fail_next(self, call: str, error: EngineError, times: int = 1) -> None:
        """Have the next calls of a method ("create", "start", ...) raise this."""
        self._failures.setdefault(call, []).extend([error] * times)

    def crash(self, container_id: str, exit_code: int = 1, *, oom: bool = False) -> None:
        """End a container's process as if by itself: its restart policy counts."""
        with self._locked() as core:
            core.containers.process_exited(core.containers.get(container_id), exit_code, oom=oom)

    def write_log(self, container_id: str, text: str, stream: str = "stdout") -> None:
        """Have a container write a line."""
        with self._locked() as core:
            core.containers.write_log(core.containers.get(container_id), text, stream)

    def pause(self, container_id: str, *, paused: bool = True) -> None:
        """Freeze a container, or let it go on."""
        with self._locked() as core:
            core.containers.pause(core.containers.get(container_id), paused=paused)

    def health(self, container_id: str, status: str) -> None:
        """What a container's health check says: starting, healthy or unhealthy."""
        with self._locked() as core:
            core.containers.set_health(core.containers.get(container_id), status)

    def snapshots(self) -> list[EngineContainer]:
        """Every container in full, also while the engine is down; not counted as a call."""
        with self._locked() as core:
            return [self._inspect(container) for container in core.containers]

    @contextmanager
    def _locked(self) -> Iterator[EngineCore]:
        """The engine for this thread alone; its refusals become `EngineError`s."""
        with self._core.lock:
            try:
                yield self._core
            except EngineApiError as error:
                raise error_from_response(error.status, str(error)) from None

    @contextmanager
    def _call(self, name: str) -> Iterator[EngineCore]:
        self._begin_call(name)
        with self._locked() as core:
            yield core

    def _begin_call(self, name: str) -> None:
        self.calls[name] += 1
        if self.delay:
            time.sleep(self.delay)  # without the lock: a slow engine answers many at once
        if self._down:
            raise EngineDown(f"The engine at sim://{self.name} cannot be reached: it is switched off.")
        if failures := self._failures.get(name):
            raise failures.pop(0)

    def _track(self, stream: StreamT) -> StreamT:
        """Have an outage end it; called with the engine's lock held, so that none slips past one."""
        self._open.add(stream)
        return stream

    def _is_down(self) -> bool:
        return self._down

    def _inspect(self, container: SimulatedContainer) -> EngineContainer:
        return _cached(self._details, container, lambda: parse_container(container_details(container)))

    def _summarize(self, container: SimulatedContainer) -> EngineContainer:
        now = self._core.runtime.now()
        return _cached(self._summaries, container, lambda: parse_container_summary(container_summary(container, now)))

    def ping(self) -> None:
        """Raise `EngineDown` unless it is up."""
        self._begin_call("ping")

    def info(self) -> EngineInfo:
        """A machine of four processors."""
        with self._call("info") as core:
            return parse_info(core.info(), API_VERSION)

    def describe_host(self) -> tuple[EngineInfo, Mapping[str, Any]]:
        """No agent stands beside it."""
        return self.info(), {}

    def close(self) -> None:
        """Nothing to let go of: the engine lives on."""

    def containers(self) -> list[EngineContainer]:
        """Every container on the engine."""
        with self._call("containers") as core:
            return [self._summarize(container) for container in core.containers]

    def inspect(self, container_id: str) -> EngineContainer:
        """One container in full."""
        with self._call("inspect") as core:
            return self._inspect(core.containers.get(container_id))

    def find(self, label: str, value: str) -> EngineContainer | None:
        """The container that carries this label, or None."""
        with self._call("find") as core:
            found = core.containers.find_by_label(label, value)
            return self._inspect(found) if found else None

    def create(self, request: CreateRequest) -> str:
        """Make a container and return its id."""
        require_known_keys(request, API_VERSION)
        with self._call("create") as core:
            return core.containers.create(request.name, dict(request.body), request.platform).id

    def start(self, container_id: str) -> None:
        """Start it."""
        with self._call("start") as core:
            core.containers.start(core.containers.get(container_id))

    def stop(self, container_id: str, timeout: int = 10) -> None:  # noqa: ARG002  # what runs here stops when asked
        """Ask it to stop."""
        with self._call("stop") as core:
            core.containers.stop(core.containers.get(container_id))

    def restart(self, container_id: str, timeout: int = 10) -> None:  # noqa: ARG002
        """Stop it and start it."""
        with self._call("restart") as core:
            core.containers.restart(core.containers.get(container_id))

    def unpause(self, container_id: str) -> None:
        """Let a paused one go on."""
        with self._call("unpause") as core:
            core.containers.pause(core.containers.get(container_id), paused=False)

    def kill(self, container_id: str, signal: str = "KILL") -> None:
        """Send a signal."""
        with self._call("kill") as core:
            core.containers.kill(core.containers.get(container_id), signal)

    def remove(self, container_id: str, *, force: bool = True, volumes: bool = True) -> None:  # noqa: ARG002
        """Remove it; a missing one is no error."""
        with self._call("remove") as core:
            try:
                container = core.containers.get(container_id)
            except EngineApiError:
                return
            core.containers.remove(container, force=force)

    def rename(self, container_id: str, name: str) -> None:
        """Give it another name."""
        with self._call("rename") as core:
            core.containers.rename(core.containers.get(container_id), name)

    def log_in(self, auth: Mapping[str, str]) -> None:
        """Log in to a registry that `registry` knows."""
        self._begin_call("log_in")
        self.registry.log_in(auth)

    def ensure_network(self, name: str, labels: Mapping[str, str], spec: NetworkSpec | None = None) -> str:
        """The id of the bridge network `name`, made if absent; one that is not as `spec` says is made anew."""
        with self._call("ensure_network") as core:
            return core.networks.ensure(name, labels, spec.pool if spec else {}, spec.options if spec else {}).id

    def connect_network(self, name: str, container_id: str, aliases: Iterable[str] = ()) -> None:
        """Connect a container to one more network, under these names."""
        with self._call("connect_network") as core:
            container = core.containers.get(container_id)
            if name not in container.addresses:
                core.networks.connect(name, container, aliases)

    def remove_network(self, name: str) -> None:
        """Remove it; a missing one is no error."""
        with self._call("remove_network") as core:
            core.networks.discard(name)

    def events(self, since: float | None = None) -> Stream[EngineEvent]:
        """What happens from `since` or now on."""
        with self._call("events") as core:
            return self._track(EventStream(core.events, since))

    def logs(
        self,
        container_id: str,
        *,
        follow: bool = True,
        tail: int | None = 100,
        since: str = "",
        until: str = "",
    ) -> Stream[LogLine]:
        """The last `tail` lines, of them those after `since` and before `until`, then new ones if `follow`."""
        with self._call("logs") as core:
            container = core.containers.get(container_id)
            return self._track(LogStream(container, core.lock, follow=follow, tail=tail, since=since, until=until))

    def stats(self, container_id: str) -> Stream[StatsSample]:
        """A sample at every tick while the container runs."""
        with self._call("stats") as core:
            container = core.containers.get(container_id)
            run, now = container.run, core.runtime.now
            return self._track(
                StatsStream(
                    lambda: StatsSample(*sample_container(container, now())),
                    lambda: container.has_ended(run),
                    core.tick,
                )
            )

    def host_stats(self) -> Stream[StatsSample]:
        """All containers together, at every tick."""
        with self._call("host_stats") as core:
            return self._track(StatsStream(lambda: _sum(self._sample_containers()), lambda: False, core.tick))

    def measure(self) -> Measurement:
        """One sample of everything."""
        self._begin_call("measure")
        return Measurement(_sum(samples := self._sample_containers()), samples)

    def _sample_containers(self) -> dict[str, StatsSample]:
        with self._locked() as core:
            return {key: StatsSample(*counters) for key, counters in core.sample_containers().items()}


def _start_timer(delay: float, action: Callable[[], None]) -> Cancel:
    timer = threading.Timer(delay, action)
    timer.daemon = True  # a scripted failure keeps no process from ending
    timer.start()
    return timer.cancel


def _cached(
    cache: _SnapshotCache, container: SimulatedContainer, make: Callable[[], EngineContainer]
) -> EngineContainer:
    found = cache.get(container)
    if found is None or found[0] != container.revision:
        found = cache[container] = (container.revision, make())
    return found[1]


def _sum(samples: Mapping[str, StatsSample]) -> StatsSample:
    return sum_samples(samples.values(), at=time.time(), cpus=CPUS, memory_limit=MEMORY)
