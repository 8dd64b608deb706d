"""What Corral says to a container engine: frozen values, errors, and the `Driver` protocol that every engine obeys."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeVar

from apps.drivers.exec_calls import ExecCalls
from apps.drivers.image_builds import BuildCalls
from apps.drivers.image_values import EngineImage as EngineImage  # noqa: PLC0414 - a name of this module too
from apps.drivers.image_values import ImageCalls
from apps.drivers.volumes import VolumeCalls

StreamName = Literal["stdout", "stderr", "tty"]
T_co = TypeVar("T_co", covariant=True)
BRIDGE_OPTION = "com.docker.network.bridge.name"
PULL_IDLE_TIMEOUT = 300.0
"""Seconds that an engine may be silent while it pulls: it says nothing while it checks a large layer."""


class EngineError(Exception):
    """The engine refused or failed; `str()` is fit to show to a person.

    `retry` says whether the same call may succeed later without anybody changing the request.
    """

    retry = True


class EngineDown(EngineError):
    """The engine could not be reached, or did not answer in time."""


class EngineTimeout(EngineDown):
    """The engine did not answer in time: it is slow, cut off, or it is we who are slow."""


class EngineOverBudget(EngineDown):
    """The engine answers, but with more, or for longer, than is read from one (`apps/core/read_budgets.py`)."""


class EngineNotFound(EngineError):
    """The engine has no such object (container, image, network, exec)."""

    retry = False


class EngineStuck(EngineError):
    """The engine will never start this container, but would start another one like it."""


class EngineConflict(EngineError):
    """The engine's state forbids it now: a name in use, a port taken, a container that is being removed."""


class EngineRefused(EngineError):
    """The request itself is wrong (HTTP 400): repeating it cannot help."""

    retry = False


class HostKeyRefused(EngineRefused):
    """The SSH server's key is not the pinned one, or none is pinned yet; `presented_key` is the key it showed, as
    one line.
    """

    def __init__(self, message: str, presented_key: str = "") -> None:
        super().__init__(message)
        self.presented_key = presented_key


class CredentialRefused(EngineRefused):
    """The SSH key or password cannot be used, or is not accepted; `field` is private_key or password."""

    def __init__(self, message: str, field: str = "private_key") -> None:
        super().__init__(message)
        self.field = field


class ImageMissing(EngineNotFound):
    """A container was to be created from an image that the engine does not have."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where an engine listens.

    `url` is `unix:///path`, `tcp://host:port`, `ssh://user@host[:port][/path]`, `agent://uuid` or `sim://name`; the TLS
    material is PEM text, empty without TLS. For SSH: `host_key` is the pinned key of the server (a public key's line
    or its SHA256 print), `private_key` its text, `password` the user's, or the private key's where there is one.
    """

    url: str
    ca: str = ""
    cert: str = ""
    key: str = field(default="", repr=False)
    host_key: str = ""
    private_key: str = field(default="", repr=False)
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """The engine and its machine; memory in bytes."""

    engine_id: str
    name: str
    version: str
    api_version: str
    os: str
    kernel: str
    architecture: str
    cpus: int
    memory: int
    storage_driver: str


@dataclass(frozen=True, slots=True)
class EnginePort:
    """One port of a container; `public` is None while it is only exposed."""

    private: int
    protocol: str
    public: int | None = None
    address: str = ""


@dataclass(frozen=True, slots=True)
class EngineMount:
    """One mount of a container: `kind` is bind, volume or tmpfs."""

    kind: str
    source: str
    target: str
    writable: bool
    name: str = ""


@dataclass(frozen=True, slots=True)
class EngineContainer:
    """A container as the engine shows it.

    `state` is the engine's own word: created, running, paused, restarting, removing, exited or dead. `exit_code`,
    `oom_killed`, `restart_count` (the engine's own restarts), `error`, `finished_at` and `raw` (the engine's inspect
    answer) are known only from `inspect`.
    Times are RFC 3339 texts, empty when unknown.
    """

    id: str
    name: str
    image: str
    image_id: str
    state: str
    labels: Mapping[str, str]
    created: str = ""
    started_at: str = ""
    finished_at: str = ""
    exit_code: int | None = None
    oom_killed: bool = False
    restart_count: int = 0
    error: str = ""
    health: str = ""
    command: str = ""
    ports: tuple[EnginePort, ...] = ()
    networks: Mapping[str, str] = field(default_factory=dict)
    mounts: tuple[EngineMount, ...] = ()
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class CreateRequest:
    """A container to make: `body` is the Docker Engine API's create body (Config, HostConfig, NetworkingConfig).

    `platform` is what its image must be for, such as linux/arm64; empty for whatever the engine has.
    """

    name: str
    body: Mapping[str, Any]
    platform: str = ""


@dataclass(frozen=True, slots=True)
class EngineEvent:
    """One line of the engine's event stream; `at` is unix time in seconds, `kind` is container, image, network, ..."""

    at: float
    kind: str
    action: str
    id: str
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PullProgress:
    """How far a pull is: `percent` over all layers known so far, `text` one line for a person."""

    percent: int
    text: str


@dataclass(frozen=True, slots=True)
class NetworkSpec:
    """How a bridge network is to be: the engine gives addresses of `ip_range` by itself; `bridge` is the interface."""

    subnet: str
    gateway: str
    ip_range: str
    bridge: str
    mtu: int

    @property
    def options(self) -> dict[str, str]:
        """As options of the engine's bridge driver."""
        return {BRIDGE_OPTION: self.bridge, "com.docker.network.driver.mtu": str(self.mtu)}

    @property
    def pool(self) -> dict[str, str]:
        """As an entry of the engine's `IPAM.Config`."""
        return {"Subnet": self.subnet, "IPRange": self.ip_range, "Gateway": self.gateway}

    def matches(self, found: Mapping[str, Any], *, exactly: bool) -> bool:
        """Whether it is the network that the engine shows; not `exactly`: its packets may be longer or shorter.

        Their length follows the encryption, which may change while containers are connected.
        """
        pools, options = (found.get("IPAM") or {}).get("Config") or [], found.get("Options") or {}
        compared = self.options if exactly else {BRIDGE_OPTION: self.bridge}
        return pools == [self.pool] and all(options.get(key) == value for key, value in compared.items())


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of output; `at` is the engine's RFC 3339 time with nanoseconds, `text` has no line end."""

    stream: StreamName
    at: str
    text: str


@dataclass(frozen=True, slots=True)
class StatsSample:
    """Cumulative counters at unix time `at` (seconds): CPU in nanoseconds over all `cpus`, the rest in bytes."""

    at: float
    cpu_ns: int
    cpus: int
    memory: int
    memory_limit: int
    net_rx: int
    net_tx: int
    disk_read: int
    disk_write: int
    pids: int = 0


@dataclass(frozen=True, slots=True)
class Measurement:
    """One sample of a whole machine (None: it does not tell) and of its running containers, by the engine's ids."""

    machine: StatsSample | None
    containers: Mapping[str, StatsSample]


class Stream(Protocol[T_co]):
    """Things that arrive over time; `close` may be called from another thread and ends the iteration."""

    def __iter__(self) -> Iterator[T_co]: ...
    def close(self) -> None: ...


class ExecSession(Protocol):
    """A command running inside a container; every method may be called from any thread."""

    def read(self, size: int = 65536) -> bytes:
        """Output (stdout and stderr together); blocks, and returns b"" at the end."""

    def read_stream(self) -> tuple[StreamName, bytes]:
        """Some output and where it was written; blocks, and returns b"" at the end. Instead of `read`, not besides."""

    def write(self, data: bytes) -> None: ...
    def end_input(self) -> None:
        """Let a command without a terminal find the end of its input."""

    def resize(self, columns: int, rows: int) -> None: ...
    def exit_code(self) -> int | None: ...
    def close(self) -> None: ...


class Driver(ImageCalls, BuildCalls, VolumeCalls, ExecCalls, Protocol):
    """One engine. Calls block, have time-outs, are safe from any thread and raise `EngineError` and nothing else."""

    def ping(self) -> None:
        """Raise `EngineDown` unless the engine answers within a few seconds."""

    def info(self) -> EngineInfo: ...

    def describe_host(self) -> tuple[EngineInfo, Mapping[str, Any]]:
        """`info`, and what an agent beside the engine tells of the machine (parts of v1 `host.info`), in one call."""

    def close(self) -> None: ...

    def containers(self) -> list[EngineContainer]:
        """Every container on the engine, running or not, in one cheap call."""

    def inspect(self, container_id: str) -> EngineContainer:
        """One container in full; by id or name. Raises `EngineNotFound`."""

    def find(self, label: str, value: str) -> EngineContainer | None:
        """The container that carries this label, in full, or None."""

    def create(self, request: CreateRequest) -> str:
        """Make a container and return its id. Raises `ImageMissing`, `EngineConflict` (name), `EngineRefused`."""

    def start(self, container_id: str) -> None:
        """Start it; starting a running one is no error."""

    def stop(self, container_id: str, timeout: int = 10) -> None:
        """Ask it to stop, kill it after `timeout` seconds; stopping a stopped one is no error."""

    def restart(self, container_id: str, timeout: int = 10) -> None: ...
    def unpause(self, container_id: str) -> None:
        """Let a paused one go on; one that is not paused raises `EngineConflict`."""

    def kill(self, container_id: str, signal: str = "KILL") -> None: ...

    def remove(self, container_id: str, *, force: bool = True, volumes: bool = True) -> None:
        """Remove it (anonymous volumes too); removing a missing one is no error."""

    def rename(self, container_id: str, name: str) -> None: ...

    def images(self) -> list[EngineImage]: ...

    def find_image(self, image: str) -> EngineImage | None:
        """The image of this name or id, or None."""

    def pull(
        self,
        image: str,
        auth: Mapping[str, str] | None = None,
        *,
        platform: str = "",
        idle_timeout: float = PULL_IDLE_TIMEOUT,
    ) -> Iterator[PullProgress]:
        """Pull an image, with progress a few times a second at most, for the engine's own platform or another one.

        Raises `EngineError` with the registry's words, and `EngineTimeout` after `idle_timeout` seconds without a word
        of the engine: the registry may be silent.
        """

    def log_in(self, auth: Mapping[str, str]) -> None:
        """Have the engine log in to a registry; it keeps nothing. Raises `EngineError` with the registry's words."""

    def save(self, image: str) -> Stream[bytes]:
        """The image as an archive, piece by piece; one that breaks off raises `EngineDown`."""

    def load(self, pieces: Iterable[bytes]) -> tuple[str, ...]:
        """Take in an archive that `save` gave; the names, or ids, of its images. A broken one leaves nothing behind."""

    def ensure_network(self, name: str, labels: Mapping[str, str], spec: NetworkSpec | None = None) -> str:
        """The id of the bridge network `name`, made if absent; safe against a concurrent twin.

        One that is not as `spec` says is made anew; in use it raises `EngineConflict`.
        """

    def connect_network(self, name: str, container_id: str, aliases: Iterable[str] = ()) -> None:
        """Connect a container to one more network, under these names; one that is connected is no error."""

    def remove_network(self, name: str) -> None:
        """Remove it; a missing one is no error, one in use raises `EngineConflict`."""

    def events(self, since: float | None = None) -> Stream[EngineEvent]:
        """What happens from `since` (unix seconds) or now on; ends without an error when the connection does."""

    def logs(
        self,
        container_id: str,
        *,
        follow: bool = True,
        tail: int | None = 100,
        since: str = "",
        until: str = "",
    ) -> Stream[LogLine]:
        """The last `tail` lines (None: all), only those after the RFC 3339 time `since`, then new ones if `follow`.

        Of those only the ones before `until`: the tail is cut first, as engines do.
        """

    def stats(self, container_id: str) -> Stream[StatsSample]:
        """About one sample a second while the container runs."""

    def host_stats(self) -> Stream[StatsSample]:
        """About one sample a second of the whole machine (its own counters if local, else its containers' sum)."""

    def measure(self) -> Measurement:
        """One sample of everything, now."""
