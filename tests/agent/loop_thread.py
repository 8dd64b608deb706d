"""An event loop in a thread of its own, for tests that talk to the agent's parts as a blocking client does."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

from corral_agent.engine_proxy.proxy import EngineProxy
from corral_agent.simulated.engine import SimulatedEngine

T = TypeVar("T")


class LoopThread:
    """Runs until the `with` block ends, together with whatever still runs on it."""

    def __enter__(self) -> LoopThread:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    def __call__(self, coroutine: Coroutine[Any, Any, T], timeout: float = 30.0) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(timeout)

    def call(self, coroutine: Callable[[], object]) -> None:
        """Call a plain function there."""
        self._loop.call_soon_threadsafe(coroutine)

    @staticmethod
    async def _end() -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


async def refuse_agent_api(where: str, query: str, sink: Any) -> None:
    raise AssertionError(f"{where} is not for the agent itself")


async def serve_simulated_engine(path: str, *, read_only: bool = False) -> tuple[SimulatedEngine, asyncio.Server]:
    """A simulated engine behind its agent's proxy, on a unix socket."""
    engine = SimulatedEngine("conformance", "SIM:1")
    engine.core.tick = 0.05
    engine.images.add("bb:local")
    engine_proxy = EngineProxy(engine.open, refuse_agent_api, read_only=read_only)
    return engine, await asyncio.start_unix_server(engine_proxy.serve, path)


@contextlib.contextmanager
def simulated_engine_socket(folder: Path) -> Iterator[str]:
    """The path of the socket."""
    path = str(folder / "proxy.sock")
    with LoopThread() as loop:
        _, server = loop(serve_simulated_engine(path))
        yield path
        loop.call(server.close)
