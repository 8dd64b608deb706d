"""A simulated container."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from simulated_engine.logs import ContainerLog, LogRecord
from simulated_engine.runtime import Cancel

Listener = Callable[[], None]


@dataclass(eq=False, slots=True, weakref_slot=True)
class SimulatedContainer:
    """`status` is the engine's word for its state; times are unix nanoseconds, 0 for never.

    `revision` grows with every change, `run` with every start: what was computed for one holds until it moves.
    """

    id: str
    name: str
    body: Mapping[str, Any]
    created_at: int
    log: ContainerLog
    image_id: str = ""
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
    aliases: dict[str, list[str]] = field(default_factory=dict)  # in networks that it was connected to later
    unnamed_volumes: dict[str, str] = field(default_factory=dict)
    revision: int = 0
    run: int = 0
    cancel_failure: Cancel | None = None
    _listeners: list[Listener] = field(default_factory=list)

    @property
    def running(self) -> bool:
        """Whether its process is there."""
        return self.status in {"running", "paused"}

    @property
    def config(self) -> Mapping[str, Any]:
        """The body's HostConfig."""
        return self.body.get("HostConfig") or {}

    @property
    def unnamed_paths(self) -> list[str]:
        """Where it gets volumes of its own: what is mounted there by name wins."""
        named = {bind.split(":")[1] for bind in self.config.get("Binds") or () if ":" in bind}
        return [path for path in self.body.get("Volumes") or () if path not in named]

    @property
    def labels(self) -> Mapping[str, str]:
        """Its labels."""
        return self.body.get("Labels") or {}

    @property
    def image(self) -> str:
        """The image as the create request named it."""
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
    def hostname(self) -> str:
        """The host name that its processes see."""
        return str(self.body.get("Hostname") or self.id[:12])

    @property
    def mode(self) -> str:
        """Its network mode; Docker calls the default bridge by two names."""
        mode = str(self.config.get("NetworkMode") or "default")
        return "bridge" if mode == "default" else mode

    def has_ended(self, run: int) -> bool:
        """Whether the process that was its `run`-th is over, even if a later one is there."""
        return not self.running or self.run != run

    def write_log(self, at: int, text: str, stream: str = "stdout") -> None:
        """Add a line to its log."""
        self.log.append(LogRecord(at, stream, text))
        self.notify()

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Have `listener` called after every line and at its end; what is returned ends that.

        Listeners run inside the engine's lock: they may set an event or fill a queue, and must not wait.
        """
        self._listeners.append(listener)
        return lambda: self._unsubscribe(listener)

    def _unsubscribe(self, listener: Listener) -> None:
        if listener in self._listeners:
            self._listeners.remove(listener)

    def notify(self) -> None:
        """Tell whoever waits for what this container does next."""
        for listener in list(self._listeners):  # one that ends something unsubscribes while it is called
            listener()


def _to_words(command: Any) -> list[str]:
    return [command] if isinstance(command, str) else list(command or ())
