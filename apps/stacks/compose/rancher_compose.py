"""What a rancher-compose file adds to the services of a docker-compose file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from apps.containers.launch.fields.rights import MAX_DRAIN_MS
from apps.containers.launch.values import HealthCheck, check_request
from apps.core.errors import Invalid
from apps.core.fields import Check, boolean, integer, text
from apps.core.texts import labeled
from apps.stacks.batches import MAX_BATCH, MAX_INTERVAL, MAX_READY, MIN_INTERVAL
from apps.stacks.compose.balancers import BALANCER_KEYS, BalancerPart, read_part
from apps.stacks.compose.interpolation import Variables
from apps.stacks.compose.left_out import unknown_keys
from apps.stacks.compose.nested_keys import left_out
from apps.stacks.compose.value_formats import as_texts, parse_boolean
from apps.stacks.compose.yaml_loader import LineMap, error_at_line, load_yaml, without_lines
from apps.stacks.scale_policy import ScalePolicy
from apps.stacks.service_options import BALANCER, DEFAULT_OPTIONS, KINDS, SERVICE, ServiceOptions, parse_target

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
KNOWN_KEYS = {
    *("scale", "health_check", "start_on_create", "drain_timeout_ms", "metadata", "description"),
    *BALANCER_KEYS,
    *("type", "external_ips", "hostname", "retain_ip", "scale_policy", "upgrade_strategy"),
}
_HEALTH_CHECK = {**dict.fromkeys(HEALTH_KEYS), "recreate_on_quorum_strategy_config": {"quorum": None}}
_SCALE = integer(0, 1000)
_DESCRIPTION = text(high=1024)
_DRAIN = integer(0, MAX_DRAIN_MS)


@dataclass(frozen=True, slots=True)
class RancherService:
    """One service's part: `fields` are for its launch configuration, `scale` None leaves it to docker-compose."""

    scale: int | None = None
    fields: dict[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    description: str = ""
    options: ServiceOptions = DEFAULT_OPTIONS
    warnings: tuple[str, ...] = ()
    scale_policy: Mapping[str, Any] = field(default_factory=dict)
    upgrade_strategy: Mapping[str, Any] = field(default_factory=dict)
    balancer: BalancerPart = field(default_factory=BalancerPart)


def read_rancher_service(name: str, part: LineMap) -> RancherService:
    """Read a service's part; raises `Invalid` on a field whose first segment is a key of the part."""
    given = {key: value for key, value in part.items() if value is not None}
    fields: dict[str, Any] = {}
    unknown = unknown_keys(part, KNOWN_KEYS, "a service in rancher-compose")
    below = left_out("health_check", given.get("health_check"), _HEALTH_CHECK)
    warnings = [f"{name}: {each.describe()}" for each in (*unknown, *below)]
    if "health_check" in given:
        check = _read_health_check(given["health_check"])
        fields |= {"healthCheck": check} if given.get("type", SERVICE) in {SERVICE, BALANCER} else {}
    if "start_on_create" in given:
        fields["startOnCreate"] = boolean("start_on_create", parse_boolean(given["start_on_create"]))
    if "drain_timeout_ms" in given:
        fields["drainTimeoutMs"] = _DRAIN("drain_timeout_ms", _whole_number(given["drain_timeout_ms"]))
    metadata = given.get("metadata", {})
    if not isinstance(metadata, LineMap | dict):
        raise Invalid("metadata", "InvalidFormat", "metadata must be a map.")
    return RancherService(
        scale=_SCALE("scale", given["scale"]) if "scale" in given else None,
        fields=fields,
        metadata=without_lines(metadata),
        description=_DESCRIPTION("description", given.get("description", "")),
        options=_read_options(given),
        warnings=tuple(warnings),
        scale_policy=_read_scale_policy(given.get("scale_policy")),
        upgrade_strategy=_read_strategy(given.get("upgrade_strategy")),
        balancer=read_part(name, given),
    )


def _read_scale_policy(value: Any) -> dict[str, int]:
    """The policy as v1 says it; numbers that a variable filled in are texts."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise Invalid("scale_policy", "InvalidFormat", "scale_policy must be a map with min, max and increment.")
    try:
        numbers = {key: _whole_number(each) for key, each in without_lines(value).items() if each is not None}
        found = ScalePolicy.from_wire({"min": 1, **numbers})
    except Invalid as problem:
        message = problem.message.replace("scalePolicy", "scale_policy")
        raise Invalid("scale_policy", problem.code, message) from None
    return found.to_wire() if found else {}


def _whole_number(value: Any) -> Any:
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 9 else value


STRATEGY_KEYS = {
    "batch_size": "batchSize",
    "interval_millis": "intervalMillis",
    "start_first": "startFirst",
    "min_ready_seconds": "minReadySeconds",
}
_STRATEGY_CHECKS: dict[str, Check] = {
    "batch_size": integer(1, MAX_BATCH),
    "interval_millis": integer(MIN_INTERVAL, MAX_INTERVAL),
    "min_ready_seconds": integer(0, MAX_READY),
    "start_first": lambda name, value: boolean(name, parse_boolean(value)),
}


def _read_strategy(value: Any) -> dict[str, Any]:
    """How upgrades of the service go on, with v1's names; what is not written is left to the defaults."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise Invalid("upgrade_strategy", "InvalidFormat", "upgrade_strategy must be a map.")
    if unknown := sorted(set(value) - set(STRATEGY_KEYS)):
        reason = f"upgrade_strategy: {str(unknown[0])[:60]!r} is not known; it has {', '.join(STRATEGY_KEYS)}."
        raise Invalid("upgrade_strategy", "InvalidOption", reason)
    given = {key: each for key, each in value.items() if each is not None}
    checked = {key: _STRATEGY_CHECKS[key](f"upgrade_strategy.{key}", each) for key, each in given.items()}
    return {STRATEGY_KEYS[key]: each for key, each in checked.items()}


def _read_health_check(value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise Invalid("health_check", "InvalidFormat", "health_check must be a map.")
    at = "health_check."
    return check_request(HealthCheck.from_wire(_wire_health_check(value), at=at), at).to_wire()


def _wire_health_check(value: Any) -> dict[str, Any] | None:
    """The check with v1's names of its fields."""
    return {wire: value.get(key) for key, wire in HEALTH_KEYS.items()} if isinstance(value, Mapping) else None


_OPTION_KEYS = {"externalIpAddresses": "external_ips", "hostname": "hostname", "healthCheck": "health_check"}


def _read_options(given: Mapping[str, Any]) -> ServiceOptions:
    """The kind and where an external service leads; the check counts for those alone."""
    kind = str(given.get("type", SERVICE))
    if kind not in KINDS:
        reason = f"{kind[:60]!r} is no type of services here; leave it out, or use {', '.join(KINDS)}."
        raise Invalid("type", "InvalidOption", reason)
    try:
        addresses = as_texts(given.get("external_ips", []))
        target = parse_target(addresses, given.get("hostname", ""), _wire_health_check(given.get("health_check")))
    except ValueError as problem:
        raise Invalid("external_ips", "InvalidFormat", f"external_ips: {problem}") from None
    except Invalid as problem:
        name, _dot, rest = str(problem.field).partition(".")
        message = problem.message.replace("externalIpAddresses", "external_ips")
        raise Invalid(f"{_OPTION_KEYS[name]}.{rest}", problem.code, message) from None
    settings = {"retainIp": boolean("retain_ip", parse_boolean(given["retain_ip"]))} if "retain_ip" in given else {}
    return ServiceOptions(kind=kind, external=target, address_settings=settings)


RANCHER_FIELD = "rancherCompose"


def read_rancher_compose(
    source: str, environment: Mapping[str, str], services: set[str]
) -> tuple[dict[str, RancherService], list[str]]:
    """Read the parts by service, with warnings about the file; `source` may be empty."""
    variables = Variables(environment, RANCHER_FIELD)
    duplicates: list[str] = []  # Rancher took them
    top: LineMap = variables.fill(load_yaml(source, RANCHER_FIELD, typed=True, duplicates=duplicates))
    parts = top.get("services") if "services" in top or isinstance(top.get("version"), str | int | float) else top
    parts = LineMap() if parts is None else parts
    if not isinstance(parts, LineMap):
        raise error_at_line(RANCHER_FIELD, top.line("services"), "`services` must be a map of services")
    found, warnings = {}, [f"rancher-compose, {text}" for text in duplicates]
    for name, part in parts.items():
        if name in services:
            found[name] = _read_part(name, part, parts)
        elif not name.startswith((".", "x-")):
            warnings.append(f"rancher-compose has a service {name[:80]!r} that docker-compose does not have.")
    warnings += [f"The variable {name} is not set; it is taken as empty." for name in variables.missing]
    return found, warnings


def _read_part(name: str, part: Any, parts: LineMap) -> RancherService:
    if part is None:
        return RancherService()
    if not isinstance(part, LineMap):
        raise error_at_line(RANCHER_FIELD, parts.line(name), f"{name}: must be a map")
    try:
        return read_rancher_service(name, part)
    except Invalid as problem:
        line = part.line(str(problem.field).partition(".")[0])
        raise error_at_line(RANCHER_FIELD, line, labeled(name, problem.message), problem.code) from None
