"""`servicesPortRange`: from which ports of hosts the published ones of an environment get theirs."""

from __future__ import annotations

from typing import Any

from apps.api.wire.embedded import EmbeddedResource
from apps.api.wire.fields import parse_fields
from apps.api.wire.roles import TypeRoles
from apps.network.port_range import HIGHEST, LOWEST, ends_of


class ServicesPortRangeResource(EmbeddedResource):
    """The first and the last of these ports."""

    name = "servicesPortRange"
    roles = TypeRoles(user="cru", admin="cru", environment={"view": "r", "operate": "cu"})
    own_fields = parse_fields(f"""
        endPort   int cu * {LOWEST}..{HIGHEST}
        startPort int cu * {LOWEST}..{HIGHEST}
    """)


def write_range(stored: str) -> dict[str, Any]:
    """A stored range as v1 says it."""
    first, last = ends_of(stored)
    return {"type": ServicesPortRangeResource.name, "startPort": first, "endPort": last}


def read_range(sent: Any) -> str | None:
    """What was sent, as services take it; None where nothing was."""
    return None if sent is None else f"{sent.get('startPort')}-{sent.get('endPort')}"
