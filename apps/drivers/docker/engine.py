"""A Docker engine: plain calls through its SDK, everything that streams through our own HTTP."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any
from urllib.parse import quote, urlencode

from apps.core import read_budgets
from apps.drivers.api_versions import require_known_keys
from apps.drivers.base import (
    PULL_IDLE_TIMEOUT,
    CreateRequest,
    Endpoint,
    EngineConflict,
    EngineContainer,
    EngineEvent,
    EngineImage,
    EngineInfo,
    EngineNotFound,
    LogLine,
    Measurement,
    NetworkSpec,
    PullProgress,
    StatsSample,
    Stream,
)
from apps.drivers.docker import (
    image_archive,
    image_build,
    measurement,
    parsing,
    pull,
    streams,
)
from apps.drivers.docker.connections import close_connection
from apps.drivers.docker.exec_calls import DockerExecCalls
from apps.drivers.docker.http import EngineResponse, send_request
from apps.drivers.docker.sdk import EngineConnection
from apps.drivers.docker.timestamps import to_nanoseconds, to_query_time
from apps.drivers.docker.volumes import DockerVolumeCalls
from apps.drivers.host_stats import ContainerSumStats, MachineStats, read_machine
from apps.drivers.image_builds import BuildRequest, BuildStream
from apps.drivers.image_values import ImageDetails

_MAX_WORKING = 4  # more at once only slow each other down: making and starting containers is the engine's CPU time
_MAX_WAITING = 12  # stopping is mostly waiting for the container, and must not keep others from starting
_LOG_IDLE_TIMEOUT = 30.0
_STATS_IDLE_TIMEOUT = 15.0


class DockerDriver(DockerVolumeCalls, DockerExecCalls):
    """One Docker engine."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._connection = EngineConnection(endpoint)
        self._work_slots = threading.BoundedSemaphore(_MAX_WORKING)
        self._wait_slots = threading.BoundedSemaphore(_MAX_WAITING)
        self._network_lock = threading.Lock()
        self._has_agent = endpoint.url.startswith("agent://")

    def ping(self) -> None:
        """Raise `EngineDown` unless the engine answers within a few seconds."""
        with self._connection() as sdk:
            sdk.check_alive()

    def info(self) -> EngineInfo:
        """The engine and its machine."""
        with self._connection() as sdk:
            return parsing.parse_info(sdk.info(), sdk.engine_api_version)

    def describe_host(self) -> tuple[EngineInfo, Mapping[str, Any]]:
        """The engine, and what the host's agent reports about its machine; nothing without an agent."""
        if not self._has_agent:
            return self.info(), {}
        with self._connection() as sdk:
            found = sdk.get_agent_json("machine?engine=1")
            facts = found if isinstance(found, dict) else {}
            engine = facts.pop("engine", None)
            if not isinstance(engine, dict) or not engine.get("ID"):
                engine = sdk.info()  # older agents do not report it; and an engine that is down says best itself why
            return parsing.parse_info(engine, sdk.engine_api_version), facts

    def close(self) -> None:
        """Close the idle connections."""
        self._connection.close()
        close_connection(self.endpoint)

    def containers(self) -> list[EngineContainer]:
        """Every container on the engine, running or not, in one call."""
        with self._connection() as sdk:
            return [parsing.parse_container_summary(found) for found in sdk.rows("/containers/json", all=1)]

    def inspect(self, container_id: str) -> EngineContainer:
        """One container in full; by id or name."""
        with self._connection() as sdk:
            return parsing.parse_container(sdk.inspect_container(container_id))

    def find(self, label: str, value: str) -> EngineContainer | None:
        """The container that carries this label, in full, or None."""
        filters = json.dumps({"label": [f"{label}={value}"]})
        with self._connection() as sdk:
            found = next((str(each["Id"]) for each in sdk.rows("/containers/json", all=1, filters=filters)), None)
        try:
            return self.inspect(found) if found else None
        except EngineNotFound:
            return None

    def create(self, request: CreateRequest) -> str:
        """Make a container and return its id."""
        with self._connection(self._work_slots) as sdk:
            require_known_keys(request, sdk.api_version)
            body, platform = dict(request.body), request.platform or None
            return str(sdk.create_container_from_config(body, request.name, platform=platform)["Id"])

    def start(self, container_id: str) -> None:
        """Start it; starting a running one is not an error."""
        with self._connection(self._work_slots) as sdk:
            sdk.start(container_id)

    def stop(self, container_id: str, timeout: int = 10) -> None:
        """Ask it to stop, kill it after `timeout` seconds."""
        with self._connection(self._wait_slots) as sdk:
            sdk.stop(container_id, timeout=timeout)

    def restart(self, container_id: str, timeout: int = 10) -> None:
        """Stop it as `stop` does, and start it."""
        with self._connection(self._wait_slots) as sdk:
            sdk.restart(container_id, timeout=timeout)

    def unpause(self, container_id: str) -> None:
        """Let a paused one go on."""
        with self._connection() as sdk:
            sdk.unpause(container_id)

    def kill(self, container_id: str, signal: str = "KILL") -> None:
        """Send a signal."""
        with self._connection() as sdk:
            sdk.kill(container_id, signal)

    def remove(self, container_id: str, *, force: bool = True, volumes: bool = True) -> None:
        """Remove it (anonymous volumes too); removing a missing one is not an error."""
        with contextlib.suppress(EngineNotFound), self._connection(self._work_slots) as sdk:
            sdk.remove_container(container_id, v=volumes, force=force)

    def rename(self, container_id: str, name: str) -> None:
        """Give it another name."""
        with self._connection() as sdk:
            sdk.rename(container_id, name)

    def images(self) -> list[EngineImage]:
        """Every image on the engine."""
        with self._connection() as sdk:
            return [parsing.parse_image(found) for found in sdk.rows("/images/json")]

    def find_image(self, image: str) -> EngineImage | None:
        """The image of this name or id, or None."""
        try:
            with self._connection() as sdk:
                return parsing.parse_image(sdk.inspect_image(image))
        except EngineNotFound:
            return None

    def pull(
        self,
        image: str,
        auth: Mapping[str, str] | None = None,
        *,
        platform: str = "",
        idle_timeout: float = PULL_IDLE_TIMEOUT,
    ) -> Iterator[PullProgress]:
        """Pull an image, yielding progress at most a few times a second."""
        path = f"/images/create?{pull.pull_query(image, platform)}"
        options = {"budget": read_budgets.ENGINE_PULL, "idle_timeout": idle_timeout}
        reply = self._request("POST", path, headers=pull.auth_header(auth), **options)
        try:
            with reply.as_engine_errors():
                yield from pull.read_progress(image, streams.read_json_lines(reply))
        finally:
            reply.close()

    def log_in(self, auth: Mapping[str, str]) -> None:
        """Have the engine log in to a registry; it asks with the account, and keeps nothing of it."""
        with self._connection() as sdk:
            sdk.log_in(auth)

    def save(self, image: str) -> Stream[bytes]:
        """The image as an archive, piece by piece."""
        options = {"budget": read_budgets.ENGINE_ARCHIVE, "idle_timeout": image_archive.UNPACK_TIMEOUT}
        return image_archive.ArchiveStream(self._request("GET", f"/images/{quote(image, safe='/:@')}/get", **options))

    def build(self, request: BuildRequest, context: Iterable[bytes]) -> BuildStream:
        """Build an image from a context; the engine stops when the stream is closed."""
        with self._connection() as sdk:
            path = f"/v{sdk.api_version}/build"
        return image_build.DockerBuild(self.endpoint, path, request, context)

    def load(self, pieces: Iterable[bytes]) -> tuple[str, ...]:
        """Load an archive that `save` returned; the names, or ids, of its images."""
        with self._connection() as sdk:
            path = f"/v{sdk.api_version}/images/load?quiet=1"
        return image_archive.load_archive(self.endpoint, path, pieces)

    def image_details(self, image: str) -> ImageDetails:
        """The image of this name or id with its history."""
        with self._connection() as sdk:
            return parsing.parse_image_details(sdk.inspect_image(image), sdk.history(image))

    def tag_image(self, image: str, name: str) -> None:
        """Give the image another name, with its tag."""
        repository, tag = pull.split_image_reference(name)
        with self._connection() as sdk:
            sdk.tag(image, repository, tag)

    def remove_image(self, image: str, *, force: bool = False) -> None:
        """Remove an image, or one of its names."""
        with self._connection(self._work_slots) as sdk:
            sdk.remove_image(image, force=force)

    def ensure_network(self, name: str, labels: Mapping[str, str], spec: NetworkSpec | None = None) -> str:
        """The id of the bridge network `name`, made if absent; one that is not as `spec` says is made anew.

        The engine lets two simultaneous callers create two networks of one name; whoever sees that removes the newer.
        """
        with self._network_lock:
            for _ in range(3):
                if found := self._networks(name):
                    self._remove_networks([str(each["Id"]) for each in found[1:]])
                    if spec is None or spec.matches(found[0], exactly=True) or not self._removed(found[0], spec):
                        return str(found[0]["Id"])
                with contextlib.suppress(EngineConflict), self._connection(self._work_slots) as sdk:
                    ipam = {"Driver": "default", "Config": [spec.pool]} if spec else None
                    options = spec.options if spec else None
                    sdk.create_network(
                        name, driver="bridge", labels=dict(labels), ipam=ipam, options=options, check_duplicate=True
                    )
        raise EngineConflict(
            f"The network {name} keeps appearing and disappearing on the engine; something else manages it."
        )

    def _remove_networks(self, networks: list[str]) -> None:
        for key in networks:
            with contextlib.suppress(EngineConflict):
                self.remove_network(key)

    def _removed(self, found: Mapping[str, Any], spec: NetworkSpec) -> bool:
        """Whether a network that is not as it should be could be removed; one in use that will do stays."""
        try:
            self.remove_network(str(found["Id"]))
        except EngineConflict as error:
            if spec.matches(found, exactly=False):
                return False
            raise EngineConflict(
                f"The network {found['Name']} of the engine is not {spec.subnet} with the gateway {spec.gateway}, and"
                f" containers are connected to it: remove them, and the network is recreated. ({error})"
            ) from None
        return True

    def _networks(self, name: str) -> list[dict[str, Any]]:
        """The networks of exactly this name, the oldest first."""
        with self._connection() as sdk:
            rows = sdk.rows("/networks", filters=json.dumps({"name": [name]}))
            return sorted(
                (row for row in rows if row["Name"] == name),
                key=lambda row: (str(row.get("Created", "")), str(row["Id"])),
            )

    def connect_network(self, name: str, container_id: str, aliases: Iterable[str] = ()) -> None:
        """Connect a container to one more network, under these names."""
        with self._connection() as sdk:
            if name not in (sdk.inspect_container(container_id)["NetworkSettings"].get("Networks") or {}):
                sdk.connect_container_to_network(container_id, name, aliases=list(aliases) or None)

    def remove_network(self, name: str) -> None:
        """Remove it; a missing one is not an error, one in use raises `EngineConflict`."""
        with contextlib.suppress(EngineNotFound), self._connection() as sdk:
            sdk.remove_network(name)

    def events(self, since: float | None = None) -> Stream[EngineEvent]:
        """What happens from `since` (unix seconds) or now on, without the noise of exec and attach."""
        query = {"filters": json.dumps(streams.EVENT_FILTERS)} | (
            {} if since is None else {"since": to_query_time(int(since * 1e9))}
        )
        return streams.EngineStream(self._request("GET", f"/events?{urlencode(query)}"), streams.read_events)

    def logs(
        self,
        container_id: str,
        *,
        follow: bool = True,
        tail: int | None = 100,
        since: str = "",
        until: str = "",
    ) -> Stream[LogLine]:
        """The last `tail` lines (None: all), of them those after `since` and before `until`, then new ones."""
        tty = bool((self.inspect(container_id).raw.get("Config") or {}).get("Tty"))
        query = {"stdout": 1, "stderr": 1, "timestamps": 1, "tail": "all" if tail is None else max(tail, 0)}
        query |= {"follow": int(follow)} | ({"since": to_query_time(to_nanoseconds(since) + 1)} if since else {})
        query |= (
            {"until": to_query_time(to_nanoseconds(until) - 1)} if until else {}
        )  # engines include the moment itself
        path = _container_path(container_id, f"logs?{urlencode(query)}")
        budget = read_budgets.ENGINE_STREAM if follow else read_budgets.ENGINE_LOG_HISTORY
        reply = self._request("GET", path, budget=budget, idle_timeout=None if follow else _LOG_IDLE_TIMEOUT)
        return streams.EngineStream(reply, partial(streams.read_log_lines, tty=tty))

    def stats(self, container_id: str) -> Stream[StatsSample]:
        """About one sample a second while the container runs."""
        return streams.EngineStream(
            self._request("GET", _container_path(container_id, "stats?stream=1")), streams.read_stats
        )

    def host_stats(self) -> Stream[StatsSample]:
        """About one sample a second: of this machine behind a unix socket, of the agent's machine where there is one,
        else of the engine's containers together.
        """
        if self._has_agent:
            reply = send_request(self.endpoint, "GET", "/corral/v1/stats", idle_timeout=_STATS_IDLE_TIMEOUT)
            return streams.EngineStream(reply, streams.read_machine_stats)
        if self.endpoint.url.startswith("unix://"):
            return MachineStats()
        return ContainerSumStats(self)

    def measure(self) -> Measurement:
        """One sample of everything: of the agent in one call, else of the engine, container by container."""
        if self._has_agent:
            with self._connection() as sdk:
                samples = measurement.parse_agent_stats(sdk.get_agent_json("containers/stats?machine=1"))
            machine = samples.pop("machine", None)  # older agents report it as a stream only
            return Measurement(machine or measurement.first_sample(self.host_stats()), samples)
        running = [seen.id for seen in self.containers() if seen.state == "running"]
        samples = measurement.measure_each(running, self._one_shot_stats)
        if self.endpoint.url.startswith("unix://"):
            return Measurement(read_machine(), samples)
        return measurement.sum_measurement(samples, self.info())

    def _one_shot_stats(self, container_id: str) -> bytes:
        path = _container_path(container_id, measurement.ONE_SHOT)
        reply = self._request("GET", path, budget=read_budgets.ENGINE_ONE_SAMPLE)
        try:
            return b"".join(reply)
        finally:
            reply.close()

    def _request(self, method: str, path: str, **options: Any) -> EngineResponse:
        with self._connection() as sdk:
            version = sdk.api_version
        return send_request(self.endpoint, method, f"/v{version}{path}", **options)


def _container_path(container_id: str, path: str) -> str:
    return f"/containers/{quote(container_id, safe='')}/{path}"
