"""Networks and volumes of a simulated engine."""

from __future__ import annotations

import time

from corral_agent.simulated import serialize
from corral_agent.simulated.api.messages import Route, SimulatedRequest, SimulatedResponse
from corral_agent.simulated.errors import bad_request, conflict, not_found


async def _list_networks(call: SimulatedRequest) -> SimulatedResponse:
    names = call.filters().get("name")
    every = call.engine.containers.networks.by_name.values()
    return SimulatedResponse(
        [serialize.network_details(n) for n in every if not names or any(part in n.name for part in names)]
    )


async def _inspect_network(call: SimulatedRequest) -> SimulatedResponse:
    return SimulatedResponse(serialize.network_details(call.engine.containers.networks.get(call.keys[0])))


async def _make_network(call: SimulatedRequest) -> SimulatedResponse:
    body = await call.json()
    if not body.get("Name"):
        raise bad_request("network name is required")
    driver = str(body.get("Driver") or "bridge")
    made = call.engine.containers.networks.make(str(body["Name"]), body.get("Labels") or {}, driver)
    call.engine.event_bus.notify("network", "create", made.id, {"name": made.name, "type": made.driver})
    return SimulatedResponse({"Id": made.id, "Warning": ""}, 201)


async def _remove_network(call: SimulatedRequest) -> SimulatedResponse:
    gone = call.engine.containers.networks.remove(call.keys[0])
    call.engine.event_bus.notify("network", "destroy", gone.id, {"name": gone.name, "type": gone.driver})
    return SimulatedResponse(status=204)


async def _connect_or_disconnect(call: SimulatedRequest) -> SimulatedResponse:
    container = call.engine.containers.get(str((await call.json()).get("Container", "")))
    if call.keys[1] == "connect":
        call.engine.containers.networks.connect(call.keys[0], container)
    else:
        call.engine.containers.networks.disconnect(call.keys[0], container)
    return SimulatedResponse()


async def _list_volumes(call: SimulatedRequest) -> SimulatedResponse:
    return SimulatedResponse({"Volumes": list(call.engine.volumes.values()), "Warnings": None})


async def _inspect_volume(call: SimulatedRequest) -> SimulatedResponse:
    return SimulatedResponse(_find_volume(call))


def _find_volume(call: SimulatedRequest) -> dict[str, object]:
    found = call.engine.volumes.get(call.keys[0])
    if found is None:
        raise not_found(f"get {call.keys[0]}: no such volume")
    return found


async def _make_volume(call: SimulatedRequest) -> SimulatedResponse:
    body = await call.json()
    name = str(body.get("Name") or f"sim{time.time_ns():x}")
    made = {
        "Name": name,
        "Driver": body.get("Driver") or "local",
        "Mountpoint": f"/var/lib/docker/volumes/{name}/_data",
        "Labels": body.get("Labels") or {},
        "Scope": "local",
        "CreatedAt": serialize.to_rfc3339(time.time_ns()),
    }
    return SimulatedResponse(call.engine.volumes.setdefault(name, made), 201)


async def _remove_volume(call: SimulatedRequest) -> SimulatedResponse:
    _find_volume(call)
    name = call.keys[0]
    users = [b.id for b in call.engine.containers if any(m.startswith(f"{name}:") for m in b.config.get("Binds") or ())]
    if users:
        raise conflict(f"remove {name}: volume is in use - [{users[0]}]")
    del call.engine.volumes[name]
    return SimulatedResponse(status=204)


_ID = "([A-Za-z0-9][A-Za-z0-9_.-]*)"
ROUTES: tuple[Route, ...] = (
    ("GET", "/networks", _list_networks),
    ("POST", "/networks/create", _make_network),
    ("GET", f"/networks/{_ID}", _inspect_network),
    ("DELETE", f"/networks/{_ID}", _remove_network),
    ("POST", f"/networks/{_ID}/(connect|disconnect)", _connect_or_disconnect),
    ("GET", "/volumes", _list_volumes),
    ("POST", "/volumes/create", _make_volume),
    ("GET", f"/volumes/{_ID}", _inspect_volume),
    ("DELETE", f"/volumes/{_ID}", _remove_volume),
)
