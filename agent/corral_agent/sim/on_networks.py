"""Networks and volumes of a simulated engine."""

from __future__ import annotations

import time

from corral_agent.sim import shown
from corral_agent.sim.call import Call, Reply, Route
from corral_agent.sim.refusals import bad, conflict, missing


async def _networks(call: Call) -> Reply:
    names = call.filters().get("name")
    every = call.engine.boxes.networks.by_name.values()
    return Reply([shown.network(n) for n in every if not names or any(part in n.name for part in names)])


async def _network(call: Call) -> Reply:
    return Reply(shown.network(call.engine.boxes.networks.get(call.keys[0])))


async def _make_network(call: Call) -> Reply:
    body = await call.json()
    if not body.get("Name"):
        raise bad("network name is required")
    driver = str(body.get("Driver") or "bridge")
    made = call.engine.boxes.networks.make(str(body["Name"]), body.get("Labels") or {}, driver)
    call.engine.hub.tell("network", "create", made.id, {"name": made.name, "type": made.driver})
    return Reply({"Id": made.id, "Warning": ""}, 201)


async def _remove_network(call: Call) -> Reply:
    gone = call.engine.boxes.networks.remove(call.keys[0])
    call.engine.hub.tell("network", "destroy", gone.id, {"name": gone.name, "type": gone.driver})
    return Reply(status=204)


async def _plug(call: Call) -> Reply:
    box = call.engine.boxes.get(str((await call.json()).get("Container", "")))
    if call.keys[1] == "connect":
        call.engine.boxes.networks.connect(call.keys[0], box)
    else:
        call.engine.boxes.networks.disconnect(call.keys[0], box)
    return Reply()


async def _volumes(call: Call) -> Reply:
    return Reply({"Volumes": list(call.engine.volumes.values()), "Warnings": None})


async def _volume(call: Call) -> Reply:
    return Reply(_there(call))


def _there(call: Call) -> dict[str, object]:
    found = call.engine.volumes.get(call.keys[0])
    if found is None:
        raise missing(f"get {call.keys[0]}: no such volume")
    return found


async def _make_volume(call: Call) -> Reply:
    body = await call.json()
    name = str(body.get("Name") or f"sim{time.time_ns():x}")
    made = {
        "Name": name,
        "Driver": body.get("Driver") or "local",
        "Mountpoint": f"/var/lib/docker/volumes/{name}/_data",
        "Labels": body.get("Labels") or {},
        "Scope": "local",
        "CreatedAt": shown.stamp(time.time_ns()),
    }
    return Reply(call.engine.volumes.setdefault(name, made), 201)


async def _remove_volume(call: Call) -> Reply:
    _there(call)
    name = call.keys[0]
    users = [b.id for b in call.engine.boxes if any(m.startswith(f"{name}:") for m in b.config.get("Binds") or ())]
    if users:
        raise conflict(f"remove {name}: volume is in use - [{users[0]}]")
    del call.engine.volumes[name]
    return Reply(status=204)


_ID = "([A-Za-z0-9][A-Za-z0-9_.-]*)"
ROUTES: tuple[Route, ...] = (
    ("GET", "/networks", _networks),
    ("POST", "/networks/create", _make_network),
    ("GET", f"/networks/{_ID}", _network),
    ("DELETE", f"/networks/{_ID}", _remove_network),
    ("POST", f"/networks/{_ID}/(connect|disconnect)", _plug),
    ("GET", "/volumes", _volumes),
    ("POST", "/volumes/create", _make_volume),
    ("GET", f"/volumes/{_ID}", _volume),
    ("DELETE", f"/volumes/{_ID}", _remove_volume),
)
