"""`publicEndpoint`: the addresses of published ports."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from apps.api.wire.embedded import EmbeddedResource
from apps.api.wire.fields import parse_fields
from apps.api.wire.roles import READ_ONLY
from apps.containers.models import Container
from apps.containers.selectors import endpoints
from apps.core.ids import wire_id


class PublicEndpointResource(EmbeddedResource):
    """The address and port under which a container is published."""

    name = "publicEndpoint"
    roles = READ_ONLY
    own_fields = parse_fields("""
        ipAddress  string              r
        port       int                 r
        hostId     reference[host]     r
        instanceId reference[instance] r
        serviceId  reference[service]  r
    """)


def _service_id(container: Container, service: int | None) -> str | None:
    slot = getattr(container, "slot", None)
    key = service or (slot.service_id if slot else None)
    return wire_id("s", key) if key else None


def serialize_endpoints(
    containers: Iterable[Container] | None, service: int | None = None
) -> list[dict[str, Any]] | None:
    """The endpoints of the containers, as v1 values; None if there are none."""
    found = [
        {
            "type": "publicEndpoint",
            "ipAddress": each["ipAddress"],
            "port": each["port"],
            "hostId": wire_id("h", each["host"]),
            "instanceId": wire_id("i", each["container"]),
            "serviceId": _service_id(container, service),
        }
        for container in containers or ()
        for each in endpoints(container)
    ]
    return found or None
