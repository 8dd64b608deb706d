"""A simulated engine by itself, and what it is asked over its own API."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from corral_agent.sim.box import Box
from corral_agent.sim.engine import SimEngine
from corral_agent.sim.fate import LABEL

Scene = Callable[[SimEngine], Awaitable[None]]


def play(scene: Scene) -> None:
    async def main() -> None:
        await asyncio.wait_for(scene(SimEngine("s1", "SIM:1")), 10)

    asyncio.run(main())


async def ask(engine: SimEngine, method: str, path: str, body: Any = None) -> tuple[int, Any]:
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


async def made(engine: SimEngine, name: str = "web", fail: str = "", **body: Any) -> Box:
    labels = {LABEL: fail} if fail else {}
    box = engine.boxes.make(name, {"Image": "sim:a", "Labels": labels, **body})
    engine.boxes.start(box)
    return box
