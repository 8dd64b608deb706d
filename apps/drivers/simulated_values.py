"""What a simulated container is, and the answer an engine would give when asked to inspect it."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from apps.drivers.base import ContainerSeen, LogLine
from apps.drivers.docker_time import text_of
from apps.drivers.docker_values import inspected

_NEVER = "0001-01-01T00:00:00Z"
KEPT_LINES = 10_000


@dataclass(eq=False)
class Box:
    """One simulated container; `status` is the engine's word for its state."""

    id: str
    name: str
    body: Mapping[str, Any]
    made: int = field(default_factory=time.time_ns)
    status: str = "created"
    exit_code: int = 0
    oom_killed: bool = False
    error: str = ""
    started: int = 0
    finished: int = 0
    health: str = ""
    restarts: int = 0
    ports: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    addresses: dict[str, str] = field(default_factory=dict)
    lines: list[LogLine] = field(default_factory=list)
    said: int = 0
    over: threading.Event = field(default_factory=threading.Event)
    _shown: tuple[ContainerSeen, ContainerSeen] | None = None

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

    def say(self, text: str, stream: str = "stdout") -> None:
        """Add a line to its log."""
        kind: Any = "tty" if self.body.get("Tty") else stream
        self.lines.append(LogLine(kind, text_of(time.time_ns()), text))
        self.said += 1
        del self.lines[:-KEPT_LINES]

    def changed(self) -> None:
        """Forget what was shown before."""
        self._shown = None

    def shown(self, *, full: bool) -> ContainerSeen:
        """As `inspect` shows it, or as a row of the list, which knows less."""
        shown = self._shown
        if shown is None:
            seen = inspected(raw(self))
            row = ContainerSeen(
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
            shown = self._shown = (seen, row)
        return shown[0] if full else shown[1]


def raw(box: Box) -> dict[str, Any]:
    """The engine's inspect answer."""
    command, body = box.command, dict(box.body)
    config = {key: value for key, value in body.items() if key not in {"HostConfig", "NetworkingConfig"}}
    config = {"Hostname": box.id[:12], "Labels": {}, "Env": [], "Tty": False, **config}
    return {
        "Id": box.id,
        "Name": f"/{box.name}",
        "Created": text_of(box.made),
        "Path": command[0],
        "Args": command[1:],
        "Image": f"sha256:{box.id[::-1]}",
        "RestartCount": box.restarts,
        "Driver": "memory",
        "State": _state(box),
        "Config": config,
        "HostConfig": {**box.config, "NetworkMode": box.mode},
        "NetworkSettings": {
            "Ports": {key: binds or None for key, binds in box.ports.items()},
            "Networks": {name: {"IPAddress": address} for name, address in box.addresses.items()},
        },
        "Mounts": [_mount(bind) for bind in box.config.get("Binds") or ()],
    }


def _state(box: Box) -> dict[str, Any]:
    state: dict[str, Any] = {
        "Status": box.status,
        "Running": box.running or box.status == "restarting",
        "Paused": box.status == "paused",
        "Restarting": box.status == "restarting",
        "OOMKilled": box.oom_killed,
        "Dead": False,
        "Pid": 4242 if box.running else 0,
        "ExitCode": box.exit_code,
        "Error": box.error,
        "StartedAt": text_of(box.started) if box.started else _NEVER,
        "FinishedAt": text_of(box.finished) if box.finished else _NEVER,
    }
    if box.health:
        state["Health"] = {"Status": box.health}
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
