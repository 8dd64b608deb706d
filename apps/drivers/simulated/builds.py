"""A build on a simulated engine, as a stream that any thread may close."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

from apps.drivers.base import EngineDown
from apps.drivers.docker.image_build import read_output
from apps.drivers.image_builds import BuildOutput
from simulated_engine.builds import BuildStep


class SimulatedBuild:
    """What the steps of a build say, for as long as the engine is up and somebody listens; `delay` is in seconds."""

    def __init__(self, steps: Iterator[BuildStep], is_down: Callable[[], bool], delay: float) -> None:
        self._steps, self._is_down, self._delay = steps, is_down, delay
        self._closed = threading.Event()

    def __iter__(self) -> Iterator[BuildOutput]:
        yield from read_output(self._lines())

    def _lines(self) -> Iterator[dict[str, object]]:
        for step in self._steps:
            if step.waits:
                self._closed.wait(self._delay)
            if self._closed.is_set() or self._is_down():
                raise EngineDown("The simulated engine is down.")
            yield dict(step.line)

    def close(self) -> None:
        """End the build, whichever thread it is in."""
        self._closed.set()
