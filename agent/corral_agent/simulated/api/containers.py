"""Containers and execs in a simulated engine's API."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

from corral_agent.simulated.api.attached_exec import AttachedExec
from corral_agent.simulated.api.log_stream import stream_logs
from corral_agent.simulated.api.messages import (
    Route,
    SimulatedRequest,
    SimulatedResponse,
    json_lines,
)
from simulated_engine.container import SimulatedContainer
from simulated_engine.engine import EngineCore
from simulated_engine.errors import conflict
from simulated_engine.serialize import container_details, container_summary
from simulated_engine.stats import CPUS, sample_container
from simulated_engine.timestamps import to_rfc3339


async def _list(call: SimulatedRequest) -> SimulatedResponse:
    filters, now = call.filters(), call.engine.runtime.now()
    return SimulatedResponse(
        [
            container_summary(container, now)
            for container in call.engine.containers
            if _matches(container, filters, every=call.flag("all"))
        ]
    )


def _matches(container: SimulatedContainer, filters: dict[str, list[str]], *, every: bool) -> bool:
    wanted = [label.partition("=") for label in filters.get("label", ())]
    names = filters.get("name")
    return (
        (every or container.running or "status" in filters)
        and all(
            key in container.labels and (not equals or container.labels[key] == value) for key, equals, value in wanted
        )
        and (not filters.get("status") or container.status in filters["status"])
        and (not names or any(name.strip("^/$") in container.name for name in names))
    )


async def _create(call: SimulatedRequest) -> SimulatedResponse:
    platform = call.query.get("platform", "")
    made = call.engine.containers.create(call.query.get("name", ""), await call.json(), platform)
    return SimulatedResponse({"Id": made.id, "Warnings": []}, 201)


async def _inspect(call: SimulatedRequest) -> SimulatedResponse:
    return SimulatedResponse(container_details(_find_container(call)))


def _find_container(call: SimulatedRequest) -> SimulatedContainer:
    return call.engine.containers.get(call.keys[0])


async def _start(call: SimulatedRequest) -> SimulatedResponse:
    return SimulatedResponse(status=204 if call.engine.containers.start(_find_container(call)) else 304)


async def _stop(call: SimulatedRequest) -> SimulatedResponse:
    return SimulatedResponse(status=204 if call.engine.containers.stop(_find_container(call)) else 304)


async def _restart(call: SimulatedRequest) -> SimulatedResponse:
    call.engine.containers.restart(_find_container(call))
    return SimulatedResponse(status=204)


async def _kill(call: SimulatedRequest) -> SimulatedResponse:
    call.engine.containers.kill(_find_container(call), call.query.get("signal") or "KILL")
    return SimulatedResponse(status=204)


async def _rename(call: SimulatedRequest) -> SimulatedResponse:
    call.engine.containers.rename(_find_container(call), call.query.get("name", ""))
    return SimulatedResponse(status=204)


async def _remove(call: SimulatedRequest) -> SimulatedResponse:
    call.engine.containers.remove(_find_container(call), force=call.flag("force"))
    return SimulatedResponse(status=204)


async def _wait(call: SimulatedRequest) -> SimulatedResponse:
    container, activity = _find_container(call), asyncio.Event()
    unsubscribe = container.subscribe(activity.set)
    try:
        while container.running:
            activity.clear()
            await activity.wait()
    finally:
        unsubscribe()
    return SimulatedResponse({"StatusCode": container.exit_code, "Error": None})


async def _logs(call: SimulatedRequest) -> SimulatedResponse:
    return SimulatedResponse(pieces=stream_logs(_find_container(call), call), kind="application/octet-stream")


async def _attach(call: SimulatedRequest) -> SimulatedResponse:
    """What it writes from now on; its process reads no input."""
    live = replace(call, query={**call.query, "tail": "0", "follow": "1", "timestamps": "0"})
    return SimulatedResponse(pieces=stream_logs(_find_container(call), live), kind="application/octet-stream")


async def _resize(call: SimulatedRequest) -> SimulatedResponse:
    _find_container(call)
    return SimulatedResponse()


async def _stats(call: SimulatedRequest) -> SimulatedResponse:
    container, once = _find_container(call), call.query.get("stream") in {"0", "false"}

    async def samples() -> AsyncIterator[Any]:
        yield _container_stats(call.engine, container)
        while container.running and not once:
            await asyncio.sleep(call.engine.tick)
            yield _container_stats(call.engine, container)

    return SimulatedResponse(pieces=json_lines(samples()))


def _container_stats(engine: EngineCore, container: SimulatedContainer) -> dict[str, Any]:
    """A line of /containers/{id}/stats; zeros when it does not run, as the engine shows it."""
    now = engine.runtime.now()
    found = sample_container(container, now)
    io = [{"op": "Read", "value": found.disk_read}, {"op": "Write", "value": found.disk_write}]
    return {
        "read": to_rfc3339(now if container.running else 0),
        "name": f"/{container.name}",
        "id": container.id,
        "cpu_stats": {
            "cpu_usage": {"total_usage": found.cpu_ns},
            "system_cpu_usage": now if container.running else 0,
            "online_cpus": CPUS,
        },
        "precpu_stats": {},
        "memory_stats": {"usage": found.memory, "limit": found.memory_limit, "stats": {}},
        "networks": {"eth0": {"rx_bytes": found.net_rx, "tx_bytes": found.net_tx}},
        "blkio_stats": {"io_service_bytes_recursive": io},
        "pids_stats": {"current": found.pids if container.running else 0},
    }


async def _exec_create(call: SimulatedRequest) -> SimulatedResponse:
    container, body = _find_container(call), await call.json()
    command = [str(word) for word in body.get("Cmd") or ()]
    return SimulatedResponse({"Id": call.engine.commands.create(container, command, tty=bool(body.get("Tty"))).id}, 201)


async def _exec_start(call: SimulatedRequest) -> SimulatedResponse:
    return SimulatedResponse(session=AttachedExec(call.engine.commands.get(call.keys[0])))


async def _exec_resize(call: SimulatedRequest) -> SimulatedResponse:
    session = call.engine.commands.get(call.keys[0])
    if session.exit_code is not None:
        raise conflict("cannot resize a stopped container")
    session.size = (int(call.query.get("w", 80)), int(call.query.get("h", 24)))
    return SimulatedResponse()


async def _exec_inspect(call: SimulatedRequest) -> SimulatedResponse:
    return SimulatedResponse(call.engine.commands.get(call.keys[0]).details())


async def _put_archive(call: SimulatedRequest) -> SimulatedResponse:
    _find_container(call)
    async for _ in call.body:
        pass
    return SimulatedResponse()


_ID = "([A-Za-z0-9][A-Za-z0-9_.-]*)"
ROUTES: tuple[Route, ...] = (
    ("GET", "/containers/json", _list),
    ("POST", "/containers/create", _create),
    ("GET", f"/containers/{_ID}/json", _inspect),
    ("POST", f"/containers/{_ID}/start", _start),
    ("POST", f"/containers/{_ID}/stop", _stop),
    ("POST", f"/containers/{_ID}/restart", _restart),
    ("POST", f"/containers/{_ID}/kill", _kill),
    ("POST", f"/containers/{_ID}/rename", _rename),
    ("POST", f"/containers/{_ID}/wait", _wait),
    ("DELETE", f"/containers/{_ID}", _remove),
    ("GET", f"/containers/{_ID}/logs", _logs),
    ("POST", f"/containers/{_ID}/attach", _attach),
    ("POST", f"/containers/{_ID}/resize", _resize),
    ("GET", f"/containers/{_ID}/stats", _stats),
    ("PUT", f"/containers/{_ID}/archive", _put_archive),
    ("POST", f"/containers/{_ID}/exec", _exec_create),
    ("POST", f"/exec/{_ID}/start", _exec_start),
    ("POST", f"/exec/{_ID}/resize", _exec_resize),
    ("GET", f"/exec/{_ID}/json", _exec_inspect),
)
