"""What rancher-compose adds to the services of a docker-compose file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from apps.containers.spec import HealthCheck
from apps.core.errors import Invalid
from apps.core.fields import boolean, integer, text
from apps.stacks.compose.loading import Lined, load, wrong
from apps.stacks.compose.units import yes
from apps.stacks.compose.variables import Variables

RANCHER = "rancherCompose"
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


def read_rancher(
    source: str, environment: Mapping[str, str], services: set[str]
) -> tuple[dict[str, Extras], list[str]]:
    """The parts by service, and warnings about the file; `source` may be empty."""
    variables = Variables(environment, RANCHER)
    top: Lined = variables.fill(load(source, RANCHER, typed=True))
    parts = top.get("services") if "services" in top or isinstance(top.get("version"), str | int | float) else top
    parts = Lined() if parts is None else parts
    if not isinstance(parts, Lined):
        raise wrong(RANCHER, top.line("services"), "`services` must be a map of services")
    found, warnings = {}, []
    for name, part in parts.items():
        if name in services:
            found[name] = _guarded(name, part, parts)
        elif not name.startswith((".", "x-")):
            warnings.append(f"rancher-compose speaks of {name[:80]!r}, which docker-compose does not have.")
    warnings += [f"The variable {name} is not set; it is taken as empty." for name in variables.missing]
    return found, warnings


def _guarded(name: str, part: Any, parts: Lined) -> Extras:
    if part is None:
        return Extras()
    if not isinstance(part, Lined):
        raise wrong(RANCHER, parts.line(name), f"{name}: must be a map")
    try:
        return _extras(name, part)
    except Invalid as problem:
        line = part.line(str(problem.field).partition(".")[0])
        raise wrong(RANCHER, line, f"{name}: {problem.message}", problem.code) from None


def _extras(name: str, part: Lined) -> Extras:
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
        metadata=_plain(metadata),
        description=_DESCRIPTION("description", said.get("description", "")),
        warnings=tuple(f"{name}: `{key}` of rancher-compose is not carried over." for key in said if key not in known),
    )


def _health(value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise Invalid("health_check", "InvalidFormat", "health_check must be a map.")
    read = {wire: value.get(key) for key, wire in HEALTH_KEYS.items()}
    return HealthCheck.from_wire(read, at="health_check.").to_wire()


def _plain(value: Any) -> Any:
    """Without the lines: plain JSON."""
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list) else value
