"""A Docker engine: plain calls through its SDK, everything that streams through a wire of our own."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any
from urllib.parse import quote, urlencode

from apps.drivers import docker_load, docker_measure, docker_pull, docker_streams, docker_values
from apps.drivers.base import (
    ContainerSeen,
    CreateRequest,
    Endpoint,
    EngineConflict,
    EngineEvent,
    EngineInfo,
    EngineNotFound,
    ExecSession,
    ImageSeen,
    LogLine,
    Measured,
    PullProgress,
    StatsSample,
    Stream,
)
from apps.drivers.docker_exec import DockerExec
from apps.drivers.docker_sdk import Line
from apps.drivers.docker_time import decimal, nanoseconds_of
from apps.drivers.docker_wire import Reply, ask, let_go
from apps.drivers.host_stats import FleetStats, MachineStats, read_machine

_AT_WORK = 4  # more at once only slow each other down: making and starting containers is the engine's CPU time
_WAITING = 12  # stopping is mostly waiting for the container, and must not keep others from starting
_PULL_SILENCE = 300.0
_LOG_SILENCE = 30.0
_STATS_SILENCE = 15.0


class DockerDriver:
    """One Docker engine."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._line = Line(endpoint)
        self._work = threading.BoundedSemaphore(_AT_WORK)
        self._waits = threading.BoundedSemaphore(_WAITING)
        self._naming = threading.Lock()
        self._has_agent = endpoint.url.startswith("agent://")

    def ping(self) -> None:
        """Raise `EngineDown` unless the engine answers within a few seconds."""
        with self._line() as sdk:
            sdk.alive()

    def info(self) -> EngineInfo:
        """The engine and its machine."""
        with self._line() as sdk:
            return docker_values.info(sdk.info(), sdk.engine_api)

    def about(self) -> tuple[EngineInfo, Mapping[str, Any]]:
        """The engine, and what the host's agent tells of its machine; nothing where there is none."""
        if not self._has_agent:
            return self.info(), {}
        with self._line() as sdk:
            found = sdk.agent("machine?engine=1")
            told = found if isinstance(found, dict) else {}
            engine = told.pop("engine", None)
            if not isinstance(engine, dict) or not engine.get("ID"):
                engine = sdk.info()  # older agents do not tell it, and why an engine is away it says best itself
            return docker_values.info(engine, sdk.engine_api), told

    def close(self) -> None:
        """Let the idle connections go."""
        self._line.close()
        let_go(self.endpoint)

    def containers(self) -> list[ContainerSeen]:
        """Every container on the engine, running or not, in one call."""
        with self._line() as sdk:
            return [docker_values.listed(found) for found in sdk.containers(all=True)]

    def inspect(self, container_id: str) -> ContainerSeen:
        """One container in full; by id or name."""
        with self._line() as sdk:
            return docker_values.inspected(sdk.inspect_container(container_id))

    def find(self, label: str, value: str) -> ContainerSeen | None:
        """The container that carries this label, in full, or None."""
        with self._line() as sdk:
            found = sdk.containers(all=True, filters={"label": [f"{label}={value}"]})
        try:
            return self.inspect(found[0]["Id"]) if found else None
        except EngineNotFound:
            return None

    def create(self, request: CreateRequest) -> str:
        """Make a container and return its id."""
        with self._line(self._work) as sdk:
            return str(sdk.create_container_from_config(dict(request.body), request.name)["Id"])

    def start(self, container_id: str) -> None:
        """Start it; starting a running one is no error."""
        with self._line(self._work) as sdk:
            sdk.start(container_id)

    def stop(self, container_id: str, timeout: int = 10) -> None:
        """Ask it to stop, kill it after `timeout` seconds."""
        with self._line(self._waits) as sdk:
            sdk.stop(container_id, timeout=timeout)

    def restart(self, container_id: str, timeout: int = 10) -> None:
        """Stop it as `stop` does, and start it."""
        with self._line(self._waits) as sdk:
            sdk.restart(container_id, timeout=timeout)

    def kill(self, container_id: str, signal: str = "KILL") -> None:
        """Send a signal."""
        with self._line() as sdk:
            sdk.kill(container_id, signal)

    def remove(self, container_id: str, *, force: bool = True, volumes: bool = True) -> None:
        """Remove it (anonymous volumes too); removing a missing one is no error."""
        with contextlib.suppress(EngineNotFound), self._line(self._work) as sdk:
            sdk.remove_container(container_id, v=volumes, force=force)

    def rename(self, container_id: str, name: str) -> None:
        """Give it another name."""
        with self._line() as sdk:
            sdk.rename(container_id, name)

    def images(self) -> list[ImageSeen]:
        """Every image on the engine."""
        with self._line() as sdk:
            return [docker_values.image(found) for found in sdk.images()]

    def find_image(self, image: str) -> ImageSeen | None:
        """The image of this name or id, or None."""
        try:
            with self._line() as sdk:
                return docker_values.image(sdk.inspect_image(image))
        except EngineNotFound:
            return None

    def pull(self, image: str, auth: Mapping[str, str] | None = None) -> Iterator[PullProgress]:
        """Pull an image, yielding progress at most a few times a second."""
        path = f"/images/create?{docker_pull.query(image)}"
        reply = self._ask("POST", path, headers=docker_pull.auth_header(auth), idle=_PULL_SILENCE)
        try:
            yield from docker_pull.progress(image, docker_streams.objects(reply))
        finally:
            reply.close()

    def save(self, image: str) -> Stream[bytes]:
        """The image as an archive, piece by piece."""
        return docker_load.Saving(
            self._ask("GET", f"/images/{quote(image, safe='/:@')}/get", idle=docker_load.PATIENCE)
        )

    def load(self, pieces: Iterable[bytes]) -> None:
        """Take in an archive that `save` gave."""
        with self._line() as sdk:
            path = f"/v{sdk.api_version}/images/load?quiet=1"
        docker_load.load(self.endpoint, path, pieces)

    def remove_image(self, image: str, *, force: bool = False) -> None:
        """Remove an image, or one of its names."""
        with self._line(self._work) as sdk:
            sdk.remove_image(image, force=force)

    def ensure_network(self, name: str, labels: Mapping[str, str]) -> str:
        """The id of the bridge network `name`, made if absent.

        The engine lets two askers at once make two networks of one name; whoever sees that takes the younger ones away.
        """
        with self._naming:
            for _ in range(3):
                if found := self._networks(name):
                    self._drop(found[1:])
                    return found[0]
                with contextlib.suppress(EngineConflict), self._line(self._work) as sdk:
                    sdk.create_network(name, driver="bridge", labels=dict(labels), check_duplicate=True)
        raise EngineConflict(f"The network {name} comes and goes on the engine; something else manages it.")

    def _drop(self, networks: list[str]) -> None:
        for key in networks:
            with contextlib.suppress(EngineConflict):
                self.remove_network(key)

    def _networks(self, name: str) -> list[str]:
        """The ids of the networks of exactly this name, the oldest first."""
        with self._line() as sdk:
            found = [network for network in sdk.networks(names=[name]) if network["Name"] == name]
        return [network["Id"] for network in sorted(found, key=lambda n: (n.get("Created", ""), n["Id"]))]

    def remove_network(self, name: str) -> None:
        """Remove it; a missing one is no error, one in use raises `EngineConflict`."""
        with contextlib.suppress(EngineNotFound), self._line() as sdk:
            sdk.remove_network(name)

    def events(self, since: float | None = None) -> Stream[EngineEvent]:
        """What happens from `since` (unix seconds) or now on, without the noise of exec and attach."""
        query = {"filters": json.dumps(docker_streams.EVENTS)} | (
            {} if since is None else {"since": decimal(int(since * 1e9))}
        )
        return docker_streams.Following(self._ask("GET", f"/events?{urlencode(query)}"), docker_streams.events)

    def logs(
        self,
        container_id: str,
        *,
        follow: bool = True,
        tail: int | None = 100,
        since: str = "",
    ) -> Stream[LogLine]:
        """The last `tail` lines (None: all), only those after the RFC 3339 time `since`, then new ones if `follow`."""
        tty = bool((self.inspect(container_id).raw.get("Config") or {}).get("Tty"))
        query = {"stdout": 1, "stderr": 1, "timestamps": 1, "tail": "all" if tail is None else max(tail, 0)}
        query |= {"follow": int(follow)} | ({"since": decimal(nanoseconds_of(since) + 1)} if since else {})
        path = _of(container_id, f"logs?{urlencode(query)}")
        reply = self._ask("GET", path, idle=None if follow else _LOG_SILENCE)
        return docker_streams.Following(reply, partial(docker_streams.lines, tty=tty))

    def stats(self, container_id: str) -> Stream[StatsSample]:
        """About one sample a second while the container runs."""
        return docker_streams.Following(self._ask("GET", _of(container_id, "stats?stream=1")), docker_streams.samples)

    def host_stats(self) -> Stream[StatsSample]:
        """About one sample a second: of this machine behind a unix socket, of the agent's machine where there is one,
        else of the engine's containers together.
        """
        if self._has_agent:
            reply = ask(self.endpoint, "GET", "/corral/v1/stats", idle=_STATS_SILENCE)
            return docker_streams.Following(reply, docker_streams.machine_samples)
        if self.endpoint.url.startswith("unix://"):
            return MachineStats()
        return FleetStats(self)

    def measure(self) -> Measured:
        """One sample of everything: of the agent in one call, else of the engine, container by container."""
        if self._has_agent:
            with self._line() as sdk:
                samples = docker_measure.by_agent(sdk.agent("containers/stats?machine=1"))
            machine = samples.pop("machine", None)  # older agents tell it as a stream only
            return Measured(machine or docker_measure.first(self.host_stats()), samples)
        running = [seen.id for seen in self.containers() if seen.state == "running"]
        samples = docker_measure.one_by_one(running, self._one_shot)
        if self.endpoint.url.startswith("unix://"):
            return Measured(read_machine(), samples)
        return docker_measure.together(samples, self.info())

    def _one_shot(self, container_id: str) -> bytes:
        reply = self._ask("GET", _of(container_id, docker_measure.ONE_SHOT), idle=_STATS_SILENCE)
        try:
            return b"".join(reply)
        finally:
            reply.close()

    def exec(self, container_id: str, command: list[str], *, tty: bool = True) -> ExecSession:
        """Run a command inside a running container."""
        with self._line() as sdk:
            key = str(sdk.exec_create(container_id, command, stdin=True, tty=tty)["Id"])
        reply = self._ask("POST", f"/exec/{key}/start", body={"Detach": False, "Tty": tty}, upgrade=True)
        return DockerExec(
            reply, tty=tty, resize=partial(self._exec_resize, key), exit_code=partial(self._exec_code, key)
        )

    def _exec_resize(self, key: str, columns: int, rows: int) -> None:
        with self._line() as sdk:
            sdk.exec_resize(key, height=rows, width=columns)

    def _exec_code(self, key: str) -> int | None:
        with self._line() as sdk:
            found = sdk.exec_inspect(key)
        return None if found.get("Running") else found.get("ExitCode")

    def _ask(self, method: str, path: str, **options: Any) -> Reply:
        with self._line() as sdk:
            version = sdk.api_version
        return ask(self.endpoint, method, f"/v{version}{path}", **options)


def _of(container_id: str, path: str) -> str:
    return f"/containers/{quote(container_id, safe='')}/{path}"
