"""What a simulated engine says about itself, and its events."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

from corral_agent.simulated.api.messages import (
    Route,
    SimulatedRequest,
    SimulatedResponse,
    json_lines,
)
from corral_agent.simulated.errors import bad_request
from corral_agent.simulated.serialize import to_rfc3339
from corral_agent.simulated.stats import CPUS, MEMORY

VERSION, API = "20.10.24", "1.41"


async def _ping(_: SimulatedRequest) -> SimulatedResponse:
    return SimulatedResponse("OK", kind="text/plain", headers=(f"Api-Version: {API}", "Docker-Experimental: false"))


async def _version(_: SimulatedRequest) -> SimulatedResponse:
    found = {"Version": VERSION, "ApiVersion": API, "MinAPIVersion": "1.12", "Os": "linux", "Arch": "amd64"}
    return SimulatedResponse({**found, "KernelVersion": "6.1.0"})


def engine_info(call: SimulatedRequest) -> dict[str, Any]:
    """The answer of /info."""
    engine = call.engine
    running = sum(container.running for container in engine.containers)
    return {
        "ID": engine.engine_id,
        "Name": engine.name,
        "ServerVersion": VERSION,
        "OperatingSystem": "Simulated Linux",
        "OSType": "linux",
        "KernelVersion": "6.1.0",
        "Architecture": "x86_64",
        "NCPU": CPUS,
        "MemTotal": MEMORY,
        "Driver": "memory",
        "Containers": len(engine.containers.by_id),
        "ContainersRunning": running,
        "ContainersStopped": len(engine.containers.by_id) - running,
        "Images": len(engine.images.by_name),
        "SystemTime": to_rfc3339(time.time_ns()),
        "Swarm": {"LocalNodeState": "inactive"},
    }


async def _info(call: SimulatedRequest) -> SimulatedResponse:
    return SimulatedResponse(engine_info(call))


async def _events(call: SimulatedRequest) -> SimulatedResponse:
    since, until = (_nanoseconds(call.query.get(name, "")) for name in ("since", "until"))
    return SimulatedResponse(
        pieces=json_lines(_filtered(call.filters(), call.engine.event_bus.subscribe(since, until)))
    )


def _nanoseconds(text: str) -> int | None:
    """A time in seconds with a fraction, exactly."""
    whole, _, part = text.partition(".")
    if not text:
        return None
    if not (whole + (part or "0")).isdecimal():
        raise bad_request(f"invalid time: {text}")
    return int(whole or 0) * 10**9 + int(part.ljust(9, "0")[:9])


async def _filtered(filters: dict[str, list[str]], found: AsyncIterator[Any]) -> AsyncIterator[Any]:
    kinds, actions = filters.get("type"), filters.get("event")
    async for event in found:
        action = event["Action"].partition(":")[0]
        if (not kinds or event["Type"] in kinds) and (not actions or action in actions):
            yield event


ROUTES: tuple[Route, ...] = (
    ("GET|HEAD", "/_ping", _ping),
    ("GET", "/version", _version),
    ("GET", "/info", _info),
    ("GET", "/events", _events),
)
