"""One service's part of a rancher-compose file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from apps.containers.spec import HealthCheck
from apps.core.errors import Invalid
from apps.core.fields import boolean, integer, text
from apps.stacks.compose.lined import Lined, plain
from apps.stacks.compose.units import yes

HEALTH_KEYS = {
    "port": "port",
    "request_line": "requestLine",
    "interval": "interval",
    "response_timeout": "responseTimeout",
    "healthy_threshold": "healthyThreshold",
    "unhealthy_threshold": "unhealthyThreshold",
    "initializing_timeout": "initializingTimeout",
    "reinitializing_timeout": "reinitializingTimeout",
    "strategy": "strategy",
    "recreate_on_quorum_strategy_config": "recreateOnQuorumStrategyConfig",
}
_SCALE = integer(0, 1000)
_DESCRIPTION = text(high=1024)


@dataclass(frozen=True, slots=True)
class Extras:
    """One service's part: `fields` are for its launch configuration, `scale` None leaves it to docker-compose."""

    scale: int | None = None
    fields: dict[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    description: str = ""
    warnings: tuple[str, ...] = ()


def extras_of(name: str, part: Lined) -> Extras:
    """The part read; raises `Invalid` on a field, whose first word is a key of the part."""
    said = {key: value for key, value in part.items() if value is not None}
    fields: dict[str, Any] = {}
    if "health_check" in said:
        fields["healthCheck"] = _health(said["health_check"])
    if "start_on_create" in said:
        fields["startOnCreate"] = boolean("start_on_create", yes(said["start_on_create"]))
    metadata = said.get("metadata", {})
    if not isinstance(metadata, Lined | dict):
        raise Invalid("metadata", "InvalidFormat", "metadata must be a map.")
    known = {"scale", "health_check", "start_on_create", "metadata", "description"}
    return Extras(
        scale=_SCALE("scale", said["scale"]) if "scale" in said else None,
        fields=fields,
        metadata=plain(metadata),
        description=_DESCRIPTION("description", said.get("description", "")),
        warnings=tuple(f"{name}: `{key}` of rancher-compose is not carried over." for key in said if key not in known),
    )


def _health(value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise Invalid("health_check", "InvalidFormat", "health_check must be a map.")
    read = {wire: value.get(key) for key, wire in HEALTH_KEYS.items()}
    return HealthCheck.from_wire(read, at="health_check.").to_wire()
