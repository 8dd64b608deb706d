"""A simulated engine whose time, identifiers and timers the test holds in its hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from simulated_engine.container import SimulatedContainer
from simulated_engine.engine import EngineCore
from simulated_engine.runtime import Cancel, Runtime

SECOND = 10**9


class StillEngine:
    """`now` moves by hand, identifiers count up, and `timers` are the actions that were scheduled and not cancelled."""

    def __init__(self, **how: Any) -> None:
        self.now = 1_700_000_000 * SECOND
        self.timers: list[tuple[float, Callable[[], None]]] = []
        self._made = 0
        runtime = Runtime(lambda: self.now, self._next_id, self._schedule, **how)
        self.core = EngineCore("still", "SIM:still", runtime)

    def _next_id(self, size: int) -> str:
        self._made += 1
        return f"{self._made:0{2 * size}x}"

    def _schedule(self, delay: float, action: Callable[[], None]) -> Cancel:
        timer = (delay, action)
        self.timers.append(timer)
        return lambda: self.timers.remove(timer) if timer in self.timers else None

    def run(self, name: str = "web", **body: Any) -> SimulatedContainer:
        made = self.core.containers.create(name, {"Image": "sim:a", **body})
        self.core.containers.start(made)
        return made

    def actions(self) -> list[str]:
        """What has happened, as `kind action`."""
        recent, unsubscribe = self.core.events.subscribe(lambda _: None)
        unsubscribe()
        return [f"{event.kind} {event.action}" for event in recent]
