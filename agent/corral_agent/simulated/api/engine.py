"""What a simulated engine says about itself, and its events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from corral_agent.simulated.api.messages import (
    Route,
    SimulatedRequest,
    SimulatedResponse,
    json_lines,
)
from simulated_engine.engine import API_VERSION, KERNEL, VERSION
from simulated_engine.events import SimulatedEvent

_MAX_QUEUED = 10_000


async def _ping(_: SimulatedRequest) -> SimulatedResponse:
    headers = (f"Api-Version: {API_VERSION}", "Docker-Experimental: false")
    return SimulatedResponse("OK", kind="text/plain", headers=headers)


async def _version(_: SimulatedRequest) -> SimulatedResponse:
    found = {"Version": VERSION, "ApiVersion": API_VERSION, "MinAPIVersion": "1.12", "Os": "linux", "Arch": "amd64"}
    return SimulatedResponse({**found, "KernelVersion": KERNEL})


async def _info(call: SimulatedRequest) -> SimulatedResponse:
    return SimulatedResponse(call.engine.info())


async def _events(call: SimulatedRequest) -> SimulatedResponse:
    # Read before the response begins: what is wrong with the request must be its status.
    since, until, filters = call.time("since"), call.time("until"), call.filters()
    return SimulatedResponse(pieces=json_lines(_stream_events(call, since, until, filters)))


async def _stream_events(
    call: SimulatedRequest, since: int | None, until: int | None, filters: dict[str, list[str]]
) -> AsyncIterator[dict[str, Any]]:
    """Events from `since` (nanoseconds) or from now on; only those of the past with `until`."""
    queue: asyncio.Queue[SimulatedEvent] = asyncio.Queue()

    def put(event: SimulatedEvent) -> None:
        if queue.qsize() < _MAX_QUEUED:  # who does not read misses some, and costs no memory
            queue.put_nowait(event)

    recent, unsubscribe = call.engine.events.subscribe(put)
    try:
        for event in recent:
            if since is not None and since <= event.at <= (until or event.at) and _matches(event, filters):
                yield _serialize_event(event)
        while until is None:
            event = await queue.get()
            if _matches(event, filters):
                yield _serialize_event(event)
    finally:
        unsubscribe()


def _matches(event: SimulatedEvent, filters: dict[str, list[str]]) -> bool:
    kinds, actions = filters.get("type"), filters.get("event")
    action = event.action.partition(":")[0]  # health_status carries its value behind a colon
    return (not kinds or event.kind in kinds) and (not actions or action in actions)


def _serialize_event(event: SimulatedEvent) -> dict[str, Any]:
    found: dict[str, Any] = {
        "Type": event.kind,
        "Action": event.action,
        "Actor": {"ID": event.id, "Attributes": dict(event.attributes)},
        "scope": "local",
        "time": event.at // 10**9,
        "timeNano": event.at,
    }
    if event.kind == "container":
        found |= {"status": event.action, "id": event.id, "from": event.attributes.get("image", "")}
    return found


ROUTES: tuple[Route, ...] = (
    ("GET|HEAD", "/_ping", _ping),
    ("GET", "/version", _version),
    ("GET", "/info", _info),
    ("GET", "/events", _events),
)
