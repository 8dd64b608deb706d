"""The containers' part of a simulated engine's API."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from corral_agent.simulated import serialize, stats
from corral_agent.simulated.api.messages import (
    Route,
    SimulatedRequest,
    SimulatedResponse,
    json_lines,
)
from corral_agent.simulated.container import SimulatedContainer
from corral_agent.simulated.errors import EngineApiError, conflict, not_found
from corral_agent.simulated.logs import stream_logs
from corral_agent.simulated.shell import SimulatedExec


async def _list(call: SimulatedRequest) -> SimulatedResponse:
    filters = call.filters()
    return SimulatedResponse(
        [
            serialize.container_summary(container)
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
    body = await call.json()
    if body.get("Image"):
        call.engine.images.require(str(body["Image"]))
    return SimulatedResponse(
        {"Id": call.engine.containers.make(call.query.get("name", ""), body).id, "Warnings": []}, 201
    )


async def _inspect(call: SimulatedRequest) -> SimulatedResponse:
    return SimulatedResponse(serialize.container_details(_find_container(call)))


def _find_container(call: SimulatedRequest) -> SimulatedContainer:
    return call.engine.containers.get(call.keys[0])


async def _start(call: SimulatedRequest) -> SimulatedResponse:
    return SimulatedResponse(status=204 if call.engine.containers.start(_find_container(call)) else 304)


async def _stop(call: SimulatedRequest) -> SimulatedResponse:
    return SimulatedResponse(status=204 if call.engine.containers.stop(_find_container(call)) else 304)


async def _restart(call: SimulatedRequest) -> SimulatedResponse:
    container = _find_container(call)
    call.engine.containers.stop(container)
    call.engine.containers.start(container)
    call.engine.containers.notify(container, "restart")
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
    container = _find_container(call)
    while container.running:
        await container.activity.wait()
    return SimulatedResponse({"StatusCode": container.exit_code, "Error": None})


async def _logs(call: SimulatedRequest) -> SimulatedResponse:
    return SimulatedResponse(pieces=stream_logs(_find_container(call), call.query), kind="application/octet-stream")


async def _stats(call: SimulatedRequest) -> SimulatedResponse:
    container, once = _find_container(call), call.query.get("stream") in {"0", "false"}

    async def samples() -> AsyncIterator[Any]:
        yield stats.serialize_stats(container)
        while container.running and not once:
            await asyncio.sleep(call.engine.tick)
            yield stats.serialize_stats(container)

    return SimulatedResponse(pieces=json_lines(samples()))


async def _exec_create(call: SimulatedRequest) -> SimulatedResponse:
    container, body = _find_container(call), await call.json()
    if not container.running:
        raise conflict(f"Container {container.id} is not running")
    if not body.get("Cmd"):
        raise EngineApiError(400, "No exec command specified")
    return SimulatedResponse({"Id": call.engine.add_exec(SimulatedExec(container, body)).id}, 201)


def _find_exec(call: SimulatedRequest) -> SimulatedExec:
    found = call.engine.execs.get(call.keys[0])
    if found is None:
        raise not_found(f"No such exec instance: {call.keys[0]}")
    return found


async def _exec_start(call: SimulatedRequest) -> SimulatedResponse:
    session = _find_exec(call)
    if session.started:
        raise conflict(f"Error: Exec command {session.id} has already run")
    if not session.container.running:
        raise conflict(f"Container {session.container.id} is not running")
    session.begin()
    return SimulatedResponse(session=session)


async def _exec_resize(call: SimulatedRequest) -> SimulatedResponse:
    session = _find_exec(call)
    if session.exit_code is not None:
        raise conflict("cannot resize a stopped container")
    session.size = (int(call.query.get("w", 80)), int(call.query.get("h", 24)))
    return SimulatedResponse()


async def _exec_inspect(call: SimulatedRequest) -> SimulatedResponse:
    return SimulatedResponse(_find_exec(call).shown())


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
    ("GET", f"/containers/{_ID}/stats", _stats),
    ("PUT", f"/containers/{_ID}/archive", _put_archive),
    ("POST", f"/containers/{_ID}/exec", _exec_create),
    ("POST", f"/exec/{_ID}/start", _exec_start),
    ("POST", f"/exec/{_ID}/resize", _exec_resize),
    ("GET", f"/exec/{_ID}/json", _exec_inspect),
)
