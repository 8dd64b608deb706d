"""What a simulated engine says about itself, and its events."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

from corral_agent.sim.call import Call, Reply, Route, lines
from corral_agent.sim.counts import CPUS, MEMORY
from corral_agent.sim.refusals import bad
from corral_agent.sim.shown import stamp

VERSION, API = "20.10.24", "1.41"


async def _ping(_: Call) -> Reply:
    return Reply("OK", kind="text/plain", headers=(f"Api-Version: {API}", "Docker-Experimental: false"))


async def _version(_: Call) -> Reply:
    found = {"Version": VERSION, "ApiVersion": API, "MinAPIVersion": "1.12", "Os": "linux", "Arch": "amd64"}
    return Reply({**found, "KernelVersion": "6.1.0"})


def info(call: Call) -> dict[str, Any]:
    """The answer of /info."""
    engine = call.engine
    running = sum(box.running for box in engine.boxes)
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
        "Containers": len(engine.boxes.by_id),
        "ContainersRunning": running,
        "ContainersStopped": len(engine.boxes.by_id) - running,
        "Images": len(engine.images.there),
        "SystemTime": stamp(time.time_ns()),
        "Swarm": {"LocalNodeState": "inactive"},
    }


async def _info(call: Call) -> Reply:
    return Reply(info(call))


async def _events(call: Call) -> Reply:
    since, until = (_nanoseconds(call.query.get(name, "")) for name in ("since", "until"))
    return Reply(pieces=lines(_chosen(call.filters(), call.engine.hub.follow(since, until))))


def _nanoseconds(text: str) -> int | None:
    """A time in seconds with a fraction, exactly."""
    whole, _, part = text.partition(".")
    if not text:
        return None
    if not (whole + (part or "0")).isdecimal():
        raise bad(f"invalid time: {text}")
    return int(whole or 0) * 10**9 + int(part.ljust(9, "0")[:9])


async def _chosen(filters: dict[str, list[str]], found: AsyncIterator[Any]) -> AsyncIterator[Any]:
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
