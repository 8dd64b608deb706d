"""`port`, `physicalHost`: what v1 keeps in tables of its own.

Here they are parts of containers and hosts, shown as the links of those show them; only a `physicalHost` is found by
its id, because a host refers to it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from apps.api.wire.context import ApiCaller
from apps.api.wire.embedded import EmbeddedResource
from apps.api.wire.fields import parse_fields
from apps.api.wire.resource import Data, Link, Resource, id_prefix_of
from apps.api.wire.roles import READ_ONLY
from apps.containers.models import Container
from apps.core.ids import wire_id
from apps.hosts.models import Host
from apps.hosts.selectors import address_of
from apps.network.addresses import address_of_container

_STATE = "state enum r"


class PortResource(EmbeddedResource):
    """A port of a container, published or only exposed."""

    name = "port"
    roles = READ_ONLY
    own_fields = parse_fields(f"""
        {_STATE}
        bindAddress string              r
        instanceId  reference[instance] r
        privatePort int                 r
        protocol    string              r
        publicPort  int                 r
    """)


class PhysicalHostResource(Resource):
    """The machine that a host's engine runs on: one for each host, read-only."""

    name = "physicalHost"
    model = Host
    roles = READ_ONLY
    links = {"account": Link("project", attribute="environment_id"), "hosts": Link("host", column="pk")}

    def actions_for(self, caller: ApiCaller) -> list[str]:  # noqa: ARG002 - the base's signature
        """None: what is done is done to the host."""
        return []


def collection_of(kind: str, items: Iterable[Data]) -> Data:
    """Parts of one kind as a collection."""
    data = [{"type": kind, "baseType": kind, "links": {}, "actions": {}, "state": "active", **item} for item in items]
    return {"type": "collection", "resourceType": kind, "links": {}, "createTypes": {}, "actions": {}, "data": data}


def part_id(kind: str, owner: Any, number: int) -> str:
    """The id of a part of a row: different for each of them, and the same as long as the row does not change."""
    return f"{wire_id(id_prefix_of(kind), owner.pk)}-{number}"


def parts_of(row: Container, what: str) -> Iterable[tuple[int, Data]]:
    """What the engine reported of a container, numbered from 1."""
    return enumerate(row.engine_state.get(what) or (), 1)


def ports_of(caller: ApiCaller, row: Container) -> Data:  # noqa: ARG001 - the signature of links
    """The ports of a container, as its engine reported them."""
    return collection_of(
        "port",
        (
            {
                "id": part_id("port", row, number),
                "instanceId": wire_id("i", row.pk),
                "bindAddress": port.get("address") or None,
                "privatePort": port["private"],
                "publicPort": port.get("public"),
                "protocol": port["protocol"],
            }
            for number, port in parts_of(row, "ports")
        ),
    )


def addresses_of_container(caller: ApiCaller, row: Container) -> Data:
    """The address of a container: in the managed network, where it is found by its id too, or on its host."""
    held = address_of_container(row.pk)
    if held is None:
        on_host = {"id": part_id("ipAddress", row, 1), "address": row.address, "role": "primary"}
        return collection_of("ipAddress", [on_host] if row.address else [])
    key, network = wire_id("ia", held.pk), wire_id("n", held.environment_id)
    found = {"id": key, "address": held.address, "role": "primary", "networkId": network}
    links = {"self": caller.url("ipaddresses", key), "network": caller.url("networks", network)}
    return collection_of("ipAddress", [{**found, "instanceId": wire_id("i", row.pk), "links": links}])


def addresses_of_host(caller: ApiCaller, row: Host) -> Data:  # noqa: ARG001 - the signature of links
    """The one address under which a host's published ports are reached."""
    # Rows of two tables must not share an id.
    found = {"id": f"{part_id('ipAddress', row, 1)}-host", "address": address_of(row), "role": "primary"}
    return collection_of("ipAddress", [found])
