"""Networks in a simulated engine's API."""

from __future__ import annotations

from corral_agent.simulated.api.messages import Route, SimulatedRequest, SimulatedResponse
from simulated_engine.errors import bad_request
from simulated_engine.serialize import network_details


async def _list_networks(call: SimulatedRequest) -> SimulatedResponse:
    names = call.filters().get("name")
    every = call.engine.networks.by_name.values()
    return SimulatedResponse([network_details(n) for n in every if not names or any(part in n.name for part in names)])


async def _inspect_network(call: SimulatedRequest) -> SimulatedResponse:
    return SimulatedResponse(network_details(call.engine.networks.get(call.keys[0])))


async def _make_network(call: SimulatedRequest) -> SimulatedResponse:
    body = await call.json()
    if not body.get("Name"):
        raise bad_request("network name is required")
    driver = str(body.get("Driver") or "bridge")
    pools, options = (body.get("IPAM") or {}).get("Config") or [{}], body.get("Options") or {}
    made = call.engine.networks.make(
        str(body["Name"]), body.get("Labels") or {}, driver, pool=pools[0], options=options
    )
    return SimulatedResponse({"Id": made.id, "Warning": ""}, 201)


async def _remove_network(call: SimulatedRequest) -> SimulatedResponse:
    call.engine.networks.remove(call.keys[0])
    return SimulatedResponse(status=204)


async def _connect_or_disconnect(call: SimulatedRequest) -> SimulatedResponse:
    body = await call.json()
    container = call.engine.containers.get(str(body.get("Container", "")))
    if call.keys[1] == "connect":
        aliases = (body.get("EndpointConfig") or {}).get("Aliases") or ()
        call.engine.networks.connect(call.keys[0], container, aliases)
    else:
        call.engine.networks.disconnect(call.keys[0], container)
    return SimulatedResponse()


_ID = "([A-Za-z0-9][A-Za-z0-9_.-]*)"
ROUTES: tuple[Route, ...] = (
    ("GET", "/networks", _list_networks),
    ("POST", "/networks/create", _make_network),
    ("GET", f"/networks/{_ID}", _inspect_network),
    ("DELETE", f"/networks/{_ID}", _remove_network),
    ("POST", f"/networks/{_ID}/(connect|disconnect)", _connect_or_disconnect),
)
