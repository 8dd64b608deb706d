"""A simulated engine by itself, and requests to its API."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from corral_agent.simulated.engine import SimulatedEngine
from simulated_engine.container import SimulatedContainer
from simulated_engine.failure import LABEL

EngineScenario = Callable[[SimulatedEngine], Awaitable[None]]


def run_engine_scenario(scenario: EngineScenario) -> None:
    async def main() -> None:
        await asyncio.wait_for(scenario(SimulatedEngine("s1", "SIM:1")), 10)

    asyncio.run(main())


async def request(engine: SimulatedEngine, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    """One call; status and the JSON of its answer, or its bytes."""
    source, sink = await engine.open()
    data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    sink.write(f"{method} {path} HTTP/1.0\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data)
    got = b""
    while piece := await source.read(65536):
        got += piece
    sink.close()
    head, _, rest = got.partition(b"\r\n\r\n")
    try:
        return int(head.split()[1]), json.loads(rest)
    except ValueError:
        return int(head.split()[1]), rest


async def start_container(
    engine: SimulatedEngine, name: str = "web", fail: str = "", **body: Any
) -> SimulatedContainer:
    labels = {LABEL: fail} if fail else {}
    box = engine.containers.create(name, {"Image": "sim:a", "Labels": labels, **body})
    engine.containers.start(box)
    return box
