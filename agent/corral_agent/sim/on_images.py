"""The images' part of a simulated engine's API."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from typing import Any

from corral_agent.sim import images
from corral_agent.sim.call import Call, Reply, Route, lines

_IN_MEMORY = 1024 * 1024


async def _list(call: Call) -> Reply:
    return Reply(call.engine.images.listed())


async def _inspect(call: Call) -> Reply:
    return Reply(call.engine.images.inspected(call.keys[0]))


async def _remove(call: Call) -> Reply:
    return Reply(call.engine.images.remove(call.keys[0], call.engine.boxes, force=call.flag("force")))


async def _create(call: Call) -> Reply:
    name, tag = call.query.get("fromImage", ""), call.query.get("tag", "")
    image = name if not tag else f"{name}{'@' if tag.startswith('sha256:') else ':'}{tag}"
    steps = images.pull(image)
    first = next(steps)  # a refusal comes before the answer begins

    async def told() -> AsyncIterator[Any]:
        yield first
        for step in steps:
            if step["status"] == "Downloading":
                await asyncio.sleep(call.engine.tick / 10)
            if step["status"].startswith("Status:"):
                call.engine.images.add(image)
            yield step

    return Reply(pieces=lines(told()))


async def _get(call: Call) -> Reply:
    names = [call.keys[0]] if call.keys else call.query.get("names", "").split(",")
    archive = call.engine.images.save(names)

    async def told() -> AsyncIterator[bytes]:
        for piece in archive:
            yield piece

    return Reply(pieces=told(), kind="application/x-tar")


async def _load(call: Call) -> Reply:
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as file:
        async for piece in call.body:
            file.write(piece)
        file.seek(0)
        loaded = list(call.engine.images.load(file))

    async def told() -> AsyncIterator[Any]:
        for line in loaded:
            yield line

    return Reply(pieces=lines(told()))


ROUTES: tuple[Route, ...] = (
    ("GET", "/images/json", _list),
    ("POST", "/images/create", _create),
    ("POST", "/images/load", _load),
    ("GET", "/images/get", _get),
    ("GET", "/images/(.+)/get", _get),
    ("GET", "/images/(.+)/json", _inspect),
    ("DELETE", "/images/(.+)", _remove),
)
