"""Images in a simulated engine's API."""

from __future__ import annotations

import asyncio
import hashlib
import json
import tempfile
from collections.abc import AsyncIterator, Iterator
from typing import Any

from corral_agent.simulated.api.messages import (
    Route,
    SimulatedRequest,
    SimulatedResponse,
    json_lines,
)
from simulated_engine.builds import build_steps, read_context
from simulated_engine.errors import EngineApiError, not_found
from simulated_engine.images import IMAGE_SIZE, image_id, read_archive, repository, tagged_name

# Names that no simulated registry has, for whoever wants to see a pull fail.
_UNREACHABLE_REGISTRY = "127.0.0.1:1/"
_UNKNOWN_REPOSITORIES = "nowhere/"
_REFUSED_PASSWORD = "wrong"  # noqa: S105 - no registry accepts it
_LAYER_COUNT = 3
_IN_MEMORY = 1024 * 1024  # of an archive; the rest of it waits on the disk


async def _list(call: SimulatedRequest) -> SimulatedResponse:
    return SimulatedResponse(call.engine.images.summaries())


async def _inspect(call: SimulatedRequest) -> SimulatedResponse:
    return SimulatedResponse(call.engine.images.details(call.keys[0]))


async def _history(call: SimulatedRequest) -> SimulatedResponse:
    return SimulatedResponse(call.engine.images.history(call.keys[0]))


async def _tag(call: SimulatedRequest) -> SimulatedResponse:
    name, tag = call.query.get("repo", ""), call.query.get("tag", "")
    call.engine.images.tag(call.keys[0], f"{name}:{tag}" if tag else name)
    return SimulatedResponse(status=201)


async def _remove(call: SimulatedRequest) -> SimulatedResponse:
    return SimulatedResponse(call.engine.images.remove(call.keys[0], call.engine.containers, force=call.flag("force")))


async def _create(call: SimulatedRequest) -> SimulatedResponse:
    name, tag = call.query.get("fromImage", ""), call.query.get("tag", "")
    image = name if not tag else f"{name}{'@' if tag.startswith('sha256:') else ':'}{tag}"
    steps = _pull_steps(image)
    first = next(steps)  # a refusal comes before the response begins

    async def stream() -> AsyncIterator[Any]:
        yield first
        for step in steps:
            if step["status"] == "Downloading":
                await asyncio.sleep(call.engine.tick / 10)
            if step["status"].startswith("Status:"):
                call.engine.images.receive(image, call.query.get("platform", ""))
            yield step

    return SimulatedResponse(pieces=json_lines(stream()))


async def _auth(call: SimulatedRequest) -> SimulatedResponse:
    account = await call.json()
    if account.get("password") == _REFUSED_PASSWORD:
        address = account.get("serveraddress", "")
        raise EngineApiError(401, f"login attempt to https://{address}/v2/ failed with status: 401 Unauthorized")
    return SimulatedResponse({"Status": "Login Succeeded", "IdentityToken": ""})


def _pull_steps(image: str) -> Iterator[dict[str, Any]]:
    """The lines of a pull, layer by layer. Raises `EngineApiError` for what no registry has."""
    name = tagged_name(image)
    if _UNREACHABLE_REGISTRY in name:
        raise EngineApiError(
            500, f"Get https://{name.partition('/')[0]}/v2/: dial tcp 127.0.0.1:1: connect: connection refused"
        )
    if name.startswith(_UNKNOWN_REPOSITORIES):
        raise not_found(f"pull access denied for {repository(name)}, repository does not exist")
    yield {"status": f"Pulling from {repository(name)}", "id": name.rpartition(":")[2]}
    layers = [hashlib.sha256(f"{name}{n}".encode()).hexdigest()[:12] for n in range(_LAYER_COUNT)]
    for layer in layers:
        yield {"status": "Pulling fs layer", "id": layer, "progressDetail": {}}
    for current in (IMAGE_SIZE // 4, IMAGE_SIZE // 2, IMAGE_SIZE):
        for layer in layers:
            progress = {"current": current, "total": IMAGE_SIZE}
            yield {"status": "Downloading", "id": layer, "progressDetail": progress}
    for layer in layers:
        yield {"status": "Pull complete", "id": layer, "progressDetail": {}}
    yield {"status": f"Digest: {image_id(name)}"}
    yield {"status": f"Status: Downloaded newer image for {name}"}


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
        lines = [line for found in read_archive(file) for line in call.engine.images.load(found)]

    async def stream() -> AsyncIterator[Any]:
        for line in lines:
            yield {"stream": f"{line}\n"}

    return SimulatedResponse(pieces=json_lines(stream()))


async def _build(call: SimulatedRequest) -> SimulatedResponse:
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as file:
        async for piece in call.body:
            file.write(piece)
        file.seek(0)
        context = read_context(file, call.query.get("dockerfile") or "Dockerfile")
    arguments = json.loads(call.query.get("buildargs") or "{}")
    steps = build_steps(call.engine.images, context, call.query.get("t", ""), arguments)

    async def stream() -> AsyncIterator[Any]:
        for step in steps:
            yield step.line
            if step.waits:
                await asyncio.sleep(call.engine.tick / 10)

    return SimulatedResponse(pieces=json_lines(stream()))


ROUTES: tuple[Route, ...] = (
    ("GET", "/images/json", _list),
    ("POST", "/auth", _auth),
    ("POST", "/images/create", _create),
    ("POST", "/images/load", _load),
    ("POST", "/build", _build),
    ("GET", "/images/get", _get),
    ("GET", "/images/(.+)/get", _get),
    ("GET", "/images/(.+)/json", _inspect),
    ("GET", "/images/(.+)/history", _history),
    ("POST", "/images/(.+)/tag", _tag),
    ("DELETE", "/images/(.+)", _remove),
)
