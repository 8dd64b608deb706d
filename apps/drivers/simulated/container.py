"""What a simulated container is, and the answer an engine would give when asked to inspect it."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from apps.drivers.base import EngineContainer, LogLine
from apps.drivers.docker.parsing import parse_container
from apps.drivers.docker.timestamps import to_rfc3339

_NEVER = "0001-01-01T00:00:00Z"
MAX_LOG_LINES = 10_000


@dataclass(eq=False)
class SimulatedContainer:
    """One simulated container; `status` is the engine's word for its state."""

    id: str
    name: str
    body: Mapping[str, Any]
    created_at: int = field(default_factory=time.time_ns)
    status: str = "created"
    exit_code: int = 0
    oom_killed: bool = False
    error: str = ""
    started_at: int = 0
    finished_at: int = 0
    health: str = ""
    restarts: int = 0
    ports: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    addresses: dict[str, str] = field(default_factory=dict)
    lines: list[LogLine] = field(default_factory=list)
    line_count: int = 0
    stopped: threading.Event = field(default_factory=threading.Event)
    _snapshots: tuple[EngineContainer, EngineContainer] | None = None

    @property
    def running(self) -> bool:
        """Whether its process is there."""
        return self.status in {"running", "paused"}

    @property
    def config(self) -> Mapping[str, Any]:
        """The body's HostConfig."""
        return self.body.get("HostConfig") or {}

    @property
    def command(self) -> list[str]:
        """What it runs; an image's own command is called `serve` here."""
        return [*(self.body.get("Entrypoint") or ()), *(self.body.get("Cmd") or ())] or ["serve"]

    @property
    def mode(self) -> str:
        """Its network mode; Docker calls the default bridge by two names."""
        mode = str(self.config.get("NetworkMode") or "default")
        return "bridge" if mode == "default" else mode

    def write_log(self, text: str, stream: str = "stdout") -> None:
        """Add a line to its log."""
        kind: Any = "tty" if self.body.get("Tty") else stream
        self.lines.append(LogLine(kind, to_rfc3339(time.time_ns()), text))
        self.line_count += 1
        del self.lines[:-MAX_LOG_LINES]

    def clear_cache(self) -> None:
        """Forget what was shown before."""
        self._snapshots = None

    def snapshot(self, *, full: bool) -> EngineContainer:
        """As `inspect` shows it, or as a row of the list, which knows less."""
        snapshot = self._snapshots
        if snapshot is None:
            seen = parse_container(inspect_body(self))
            row = EngineContainer(
                id=seen.id,
                name=seen.name,
                image=seen.image,
                image_id=seen.image_id,
                state=seen.state,
                labels=seen.labels,
                created=seen.created,
                health=seen.health,
                command=seen.command,
                ports=seen.ports,
                networks=seen.networks,
                mounts=seen.mounts,
            )
            snapshot = self._snapshots = (seen, row)
        return snapshot[0] if full else snapshot[1]


def inspect_body(container: SimulatedContainer) -> dict[str, Any]:
    """The engine's inspect answer."""
    command, body = container.command, dict(container.body)
    config = {key: value for key, value in body.items() if key not in {"HostConfig", "NetworkingConfig"}}
    config = {"Hostname": container.id[:12], "Labels": {}, "Env": [], "Tty": False, **config}
    return {
        "Id": container.id,
        "Name": f"/{container.name}",
        "Created": to_rfc3339(container.created_at),
        "Path": command[0],
        "Args": command[1:],
        "Image": f"sha256:{container.id[::-1]}",
        "RestartCount": container.restarts,
        "Driver": "memory",
        "State": _state(container),
        "Config": config,
        "HostConfig": {**container.config, "NetworkMode": container.mode},
        "NetworkSettings": {
            "Ports": {key: binds or None for key, binds in container.ports.items()},
            "Networks": {name: {"IPAddress": address} for name, address in container.addresses.items()},
        },
        "Mounts": [_mount(bind) for bind in container.config.get("Binds") or ()],
    }


def _state(container: SimulatedContainer) -> dict[str, Any]:
    state: dict[str, Any] = {
        "Status": container.status,
        "Running": container.running or container.status == "restarting",
        "Paused": container.status == "paused",
        "Restarting": container.status == "restarting",
        "OOMKilled": container.oom_killed,
        "Dead": False,
        "Pid": 4242 if container.running else 0,
        "ExitCode": container.exit_code,
        "Error": container.error,
        "StartedAt": to_rfc3339(container.started_at) if container.started_at else _NEVER,
        "FinishedAt": to_rfc3339(container.finished_at) if container.finished_at else _NEVER,
    }
    if container.health:
        state["Health"] = {"Status": container.health}
    return state


def _mount(bind: str) -> dict[str, Any]:
    source, _, rest = bind.partition(":")
    target, _, mode = rest.partition(":")
    volume = not source.startswith("/")
    return {
        "Type": "volume" if volume else "bind",
        "Name": source if volume else "",
        "Source": f"/volumes/{source}/_data" if volume else source,
        "Destination": target,
        "RW": mode != "ro",
    }
