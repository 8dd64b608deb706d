"""`publicEndpoint`: where published ports are reached."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from apps.containers.models import Container
from apps.containers.selectors import endpoints
from apps.core.ids import wire_id


def serialize_endpoints(
    containers: Iterable[Container] | None, service: int | None = None
) -> list[dict[str, Any]] | None:
    """The endpoints of the containers, as v1 values; null when there is none."""
    found = [
        {
            "type": "publicEndpoint",
            "ipAddress": each["ipAddress"],
            "port": each["port"],
            "hostId": wire_id("h", each["host"]),
            "instanceId": wire_id("i", each["container"]),
            "serviceId": wire_id("s", service) if service else None,
        }
        for container in containers or ()
        for each in endpoints(container)
    ]
    return found or None
