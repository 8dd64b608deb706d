"""An event loop in a thread of its own, for tests that talk to the agent's parts as a blocking client does."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

from corral_agent.door.relay import Door
from corral_agent.sim.engine import SimEngine

T = TypeVar("T")


class Loop:
    """Runs until the `with` block ends, together with whatever still runs on it."""

    def __enter__(self) -> Loop:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    def __call__(self, work: Coroutine[Any, Any, T], timeout: float = 30.0) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout)

    def call(self, work: Callable[[], object]) -> None:
        """Have something done there that is no coroutine."""
        self._loop.call_soon_threadsafe(work)

    @staticmethod
    async def _end() -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


async def no_own(where: str, query: str, sink: Any) -> None:
    raise AssertionError(f"{where} is not for the agent itself")


async def simulated(path: str, *, read_only: bool = False) -> tuple[SimEngine, asyncio.Server]:
    """A simulated engine behind its agent's door on a unix socket."""
    engine = SimEngine("conformance", "SIM:1")
    engine.tick = 0.05
    engine.images.add("bb:local")
    door = Door(engine.open, no_own, read_only=read_only)
    return engine, await asyncio.start_unix_server(door.serve, path)


@contextlib.contextmanager
def behind_a_door(folder: Path) -> Iterator[str]:
    """The path of the socket."""
    path = str(folder / "door.sock")
    with Loop() as loop:
        _, server = loop(simulated(path))
        yield path
        loop.call(server.close)
