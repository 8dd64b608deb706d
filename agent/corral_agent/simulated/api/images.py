"""The images' part of a simulated engine's API."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from typing import Any

from corral_agent.simulated import images
from corral_agent.simulated.api.messages import (
    Route,
    SimulatedRequest,
    SimulatedResponse,
    json_lines,
)

_IN_MEMORY = 1024 * 1024


async def _list(call: SimulatedRequest) -> SimulatedResponse:
    return SimulatedResponse(call.engine.images.summaries())


async def _inspect(call: SimulatedRequest) -> SimulatedResponse:
    return SimulatedResponse(call.engine.images.details(call.keys[0]))


async def _remove(call: SimulatedRequest) -> SimulatedResponse:
    return SimulatedResponse(call.engine.images.remove(call.keys[0], call.engine.containers, force=call.flag("force")))


async def _create(call: SimulatedRequest) -> SimulatedResponse:
    name, tag = call.query.get("fromImage", ""), call.query.get("tag", "")
    image = name if not tag else f"{name}{'@' if tag.startswith('sha256:') else ':'}{tag}"
    steps = images.pull_steps(image)
    first = next(steps)  # a refusal comes before the answer begins

    async def stream() -> AsyncIterator[Any]:
        yield first
        for step in steps:
            if step["status"] == "Downloading":
                await asyncio.sleep(call.engine.tick / 10)
            if step["status"].startswith("Status:"):
                call.engine.images.add(image)
            yield step

    return SimulatedResponse(pieces=json_lines(stream()))


async def _get(call: SimulatedRequest) -> SimulatedResponse:
    names = [call.keys[0]] if call.keys else call.query.get("names", "").split(",")
    archive = call.engine.images.save(names)

    async def stream() -> AsyncIterator[bytes]:
        for piece in archive:
            yield piece

    return SimulatedResponse(pieces=stream(), kind="application/x-tar")


async def _load(call: SimulatedRequest) -> SimulatedResponse:
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as file:
        async for piece in call.body:
            file.write(piece)
        file.seek(0)
        loaded = list(call.engine.images.load(file))

    async def stream() -> AsyncIterator[Any]:
        for line in loaded:
            yield line

    return SimulatedResponse(pieces=json_lines(stream()))


ROUTES: tuple[Route, ...] = (
    ("GET", "/images/json", _list),
    ("POST", "/images/create", _create),
    ("POST", "/images/load", _load),
    ("GET", "/images/get", _get),
    ("GET", "/images/(.+)/get", _get),
    ("GET", "/images/(.+)/json", _inspect),
    ("DELETE", "/images/(.+)", _remove),
)
