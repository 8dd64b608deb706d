"""The containers' part of a simulated engine's API."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from corral_agent.sim import counts, shown
from corral_agent.sim.box import Box
from corral_agent.sim.call import Call, Reply, Route, lines
from corral_agent.sim.logs import said
from corral_agent.sim.refusals import Refusal, conflict, missing
from corral_agent.sim.shell import Exec


async def _list(call: Call) -> Reply:
    filters = call.filters()
    return Reply([shown.row(box) for box in call.engine.boxes if _shown(box, filters, every=call.flag("all"))])


def _shown(box: Box, filters: dict[str, list[str]], *, every: bool) -> bool:
    wanted = [label.partition("=") for label in filters.get("label", ())]
    named = filters.get("name")
    return (
        (every or box.running or "status" in filters)
        and all(key in box.labels and (not equals or box.labels[key] == value) for key, equals, value in wanted)
        and (not filters.get("status") or box.status in filters["status"])
        and (not named or any(name.strip("^/$") in box.name for name in named))
    )


async def _make(call: Call) -> Reply:
    body = await call.json()
    if body.get("Image"):
        call.engine.images.need(str(body["Image"]))
    return Reply({"Id": call.engine.boxes.make(call.query.get("name", ""), body).id, "Warnings": []}, 201)


async def _inspect(call: Call) -> Reply:
    return Reply(shown.whole(_box(call)))


def _box(call: Call) -> Box:
    return call.engine.boxes.get(call.keys[0])


async def _start(call: Call) -> Reply:
    return Reply(status=204 if call.engine.boxes.start(_box(call)) else 304)


async def _stop(call: Call) -> Reply:
    return Reply(status=204 if call.engine.boxes.stop(_box(call)) else 304)


async def _restart(call: Call) -> Reply:
    box = _box(call)
    call.engine.boxes.stop(box)
    call.engine.boxes.start(box)
    call.engine.boxes.tell(box, "restart")
    return Reply(status=204)


async def _kill(call: Call) -> Reply:
    call.engine.boxes.kill(_box(call), call.query.get("signal") or "KILL")
    return Reply(status=204)


async def _rename(call: Call) -> Reply:
    call.engine.boxes.rename(_box(call), call.query.get("name", ""))
    return Reply(status=204)


async def _remove(call: Call) -> Reply:
    call.engine.boxes.remove(_box(call), force=call.flag("force"))
    return Reply(status=204)


async def _wait(call: Call) -> Reply:
    box = _box(call)
    while box.running:
        await box.news.wait()
    return Reply({"StatusCode": box.exit_code, "Error": None})


async def _logs(call: Call) -> Reply:
    return Reply(pieces=said(_box(call), call.query), kind="application/octet-stream")


async def _stats(call: Call) -> Reply:
    box, once = _box(call), call.query.get("stream") in {"0", "false"}

    async def told() -> AsyncIterator[Any]:
        yield counts.as_engine(box)
        while box.running and not once:
            await asyncio.sleep(call.engine.tick)
            yield counts.as_engine(box)

    return Reply(pieces=lines(told()))


async def _exec(call: Call) -> Reply:
    box, body = _box(call), await call.json()
    if not box.running:
        raise conflict(f"Container {box.id} is not running")
    if not body.get("Cmd"):
        raise Refusal(400, "No exec command specified")
    return Reply({"Id": call.engine.add_exec(Exec(box, body)).id}, 201)


def _session(call: Call) -> Exec:
    found = call.engine.execs.get(call.keys[0])
    if found is None:
        raise missing(f"No such exec instance: {call.keys[0]}")
    return found


async def _begin(call: Call) -> Reply:
    session = _session(call)
    if session.started:
        raise conflict(f"Error: Exec command {session.id} has already run")
    if not session.box.running:
        raise conflict(f"Container {session.box.id} is not running")
    session.begin()
    return Reply(session=session)


async def _resize(call: Call) -> Reply:
    session = _session(call)
    if session.code is not None:
        raise conflict("cannot resize a stopped container")
    session.size = (int(call.query.get("w", 80)), int(call.query.get("h", 24)))
    return Reply()


async def _exec_shown(call: Call) -> Reply:
    return Reply(_session(call).shown())


async def _put_archive(call: Call) -> Reply:
    _box(call)
    async for _ in call.body:
        pass
    return Reply()


_ID = "([A-Za-z0-9][A-Za-z0-9_.-]*)"
ROUTES: tuple[Route, ...] = (
    ("GET", "/containers/json", _list),
    ("POST", "/containers/create", _make),
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
    ("POST", f"/containers/{_ID}/exec", _exec),
    ("POST", f"/exec/{_ID}/start", _begin),
    ("POST", f"/exec/{_ID}/resize", _resize),
    ("GET", f"/exec/{_ID}/json", _exec_shown),
)
