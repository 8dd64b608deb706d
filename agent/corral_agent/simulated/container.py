"""A simulated container."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_MAX_LOG_LINES = 1000

LogRecord = tuple[int, str, str]  # number of nanoseconds since 1970, stream, text


@dataclass(eq=False, slots=True)
class SimulatedContainer:
    """`status` is the engine's word for its state; times are nanoseconds since 1970, 0 for never."""

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
    lines: deque[LogRecord] = field(default_factory=lambda: deque(maxlen=_MAX_LOG_LINES))
    said: int = 0
    failure: asyncio.TimerHandle | None = None
    activity: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def running(self) -> bool:
        """Whether its process is there."""
        return self.status in {"running", "paused"}

    @property
    def config(self) -> Mapping[str, Any]:
        """The body's HostConfig."""
        return self.body.get("HostConfig") or {}

    @property
    def labels(self) -> Mapping[str, str]:
        """Its labels."""
        return self.body.get("Labels") or {}

    @property
    def image(self) -> str:
        """What it was made from, as asked for."""
        return str(self.body.get("Image", ""))

    @property
    def tty(self) -> bool:
        """Whether its output is a terminal's."""
        return bool(self.body.get("Tty"))

    @property
    def command(self) -> list[str]:
        """What it runs; an image's own command is called `serve` here."""
        return [*_to_words(self.body.get("Entrypoint")), *_to_words(self.body.get("Cmd"))] or ["serve"]

    @property
    def mode(self) -> str:
        """Its network mode; Docker calls the default bridge by two names."""
        mode = str(self.config.get("NetworkMode") or "default")
        return "bridge" if mode == "default" else mode

    def write_log(self, text: str, stream: str = "stdout") -> None:
        """Add a line to its log."""
        self.lines.append((time.time_ns(), stream, text))
        self.said += 1
        self.notify()

    def notify(self) -> None:
        """Wake whoever waits for what this container does next."""
        self.activity.set()
        self.activity = asyncio.Event()


def _to_words(found: Any) -> list[str]:
    return [found] if isinstance(found, str) else list(found or ())
