"""Volumes in a simulated engine's API, and the files that containers mount from them."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Iterator

from corral_agent.simulated.api.messages import Route, SimulatedRequest, SimulatedResponse


async def _list_volumes(call: SimulatedRequest) -> SimulatedResponse:
    return SimulatedResponse({"Volumes": call.engine.volumes.details(), "Warnings": None})


async def _inspect_volume(call: SimulatedRequest) -> SimulatedResponse:
    return SimulatedResponse(call.engine.volumes.get(call.keys[0]))


async def _make_volume(call: SimulatedRequest) -> SimulatedResponse:
    body = await call.json()
    name, driver = str(body.get("Name") or ""), str(body.get("Driver") or "")
    labels, options = body.get("Labels") or {}, body.get("DriverOpts") or {}
    return SimulatedResponse(call.engine.volumes.ensure(name, driver, labels, options), 201)


async def _remove_volume(call: SimulatedRequest) -> SimulatedResponse:
    call.engine.volumes.remove(call.keys[0], call.engine.containers)
    return SimulatedResponse(status=204)


async def _disk_usage(call: SimulatedRequest) -> SimulatedResponse:
    volumes = call.engine.volumes.usage(call.engine.containers)
    return SimulatedResponse({"LayersSize": 0, "Images": [], "Containers": [], "Volumes": volumes})


async def _describe_file(call: SimulatedRequest) -> SimulatedResponse:
    container = call.engine.containers.get(call.keys[0])
    facts = call.engine.volumes.file_facts(container, call.query.get("path", ""))
    header = base64.b64encode(json.dumps(facts).encode()).decode()
    return SimulatedResponse(headers=(f"X-Docker-Container-Path-Stat: {header}",), kind="application/x-tar")


async def _read_archive(call: SimulatedRequest) -> SimulatedResponse:
    container = call.engine.containers.get(call.keys[0])
    pieces = call.engine.volumes.archive(container, call.query.get("path", ""))
    return SimulatedResponse(pieces=_as_they_come(pieces), kind="application/x-tar")


async def _as_they_come(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


_ID = "([A-Za-z0-9][A-Za-z0-9_.-]*)"
ROUTES: tuple[Route, ...] = (
    ("GET", "/volumes", _list_volumes),
    ("POST", "/volumes/create", _make_volume),
    ("GET", f"/volumes/{_ID}", _inspect_volume),
    ("DELETE", f"/volumes/{_ID}", _remove_volume),
    ("GET", "/system/df", _disk_usage),
    ("HEAD", f"/containers/{_ID}/archive", _describe_file),
    ("GET", f"/containers/{_ID}/archive", _read_archive),
)
