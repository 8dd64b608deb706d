"""The fields of a launch configuration, which containers and services share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from apps.api.wire.fields import Field, parse_fields
from apps.api.wire.resource import RowContext
from apps.containers.launch.config import LAUNCH_FIELDS, LaunchConfig
from apps.containers.launch.fields.declaration import LaunchField
from apps.core.errors import Invalid
from apps.stacks.balancer.launch import shown_listeners
from apps.stacks.balancer.settings import BalancerSettings
from apps.stacks.models import Service, ServiceRevision
from apps.stacks.sidekicks import Sidekick, shown


def launch_schema(fields: Iterable[LaunchField]) -> tuple[Field, ...]:
    """The launch fields as fields of a v1 type."""
    return tuple(
        Field(
            name=each.name,
            type=each.type,
            crud="c",
            default=each.default,
            options=each.options,
            low=each.bounds[0],
            high=each.bounds[1],
            nullable=each.nullable,
        )
        for each in fields
    )


# v1 has `build`, which no configuration stores: it is in the schema so that the refusal can say why.
LAUNCH_CONFIG_FIELDS = (*launch_schema(LAUNCH_FIELDS), *parse_fields("build json c"))


def serialize_launch_config(config: LaunchConfig, *, values: bool) -> dict[str, Any]:
    """Serialize a configuration, with environment variables and options of log drivers only for those who may see them.

    Options of log drivers are values like those of variables: tokens and addresses of the services that take the logs.
    """
    found = config.to_wire()
    return found if values else _without_values(found)


def serialize_given(config: LaunchConfig, *, values: bool) -> dict[str, Any]:
    """The same with what was given only, and the switches, as a service's `launchConfig` is."""
    found = {name: value for name, value in config.to_wire().items() if value is not None and value not in ({}, [])}
    return found if values else _without_values(found)


def _without_values(found: dict[str, Any]) -> dict[str, Any]:
    hidden: dict[str, Any] = {"environment": None} if "environment" in found else {}
    if found.get("logConfig"):
        hidden["logConfig"] = {**found["logConfig"], "config": None}
    return {**found, **hidden}


def with_hidden_values(sent: Any, current: LaunchConfig | None) -> Any:
    """What was sent of a configuration, with the present values of what was hidden when it was read.

    For callers who may not see values: they read null and send it back, which must not empty what they could not see.
    An empty object does.
    """
    if current is None or not isinstance(sent, Mapping):
        return sent
    found, now = dict(sent), current.to_wire()
    if "environment" in sent and sent["environment"] is None:
        found["environment"] = now["environment"]
    log, known = sent.get("logConfig"), now["logConfig"]
    if isinstance(log, Mapping) and "config" in log and log["config"] is None and known:
        is_same = log.get("driver") == known["driver"]
        found["logConfig"] = {**log, "config": known["config"] if is_same else None}
    return found


def _from_extra(name: str) -> Callable[[RowContext], Any]:
    return lambda context: context.extra["config"].get(name)


def computed_launch_fields() -> Mapping[str, Callable[[RowContext], Any]]:
    """Return the sources of the launch fields for rows whose extra has `config`."""
    return {field.name: _from_extra(field.name) for field in LAUNCH_CONFIG_FIELDS}


def serialize_service_config(name: str, made: Service | ServiceRevision, *, values: bool) -> dict[str, Any]:
    """What the containers of a service called `name` are, or were, made from; a balancer's ports are its listeners."""
    found = serialize_given(shown(name, made.config), values=values)
    if made.balancer is not None:
        found = shown_listeners(found, BalancerSettings.from_json(made.balancer))
    return {"type": "launchConfig", **found}


def parse_sidekicks(given: Iterable[Any], at: str) -> list[Sidekick]:
    """The sidekicks that a client sent as `secondaryLaunchConfigs`. Raises `Invalid` on a field below `at`."""
    found = []
    for number, each in enumerate(given):
        name = each.get("name") if isinstance(each, Mapping) else None
        if not isinstance(name, str) or not name:
            raise Invalid(f"{at}[{number}].name", "MissingRequired", "Every sidekick needs a name, such as log.")
        found.append(Sidekick(name, LaunchConfig.from_wire(each, at=f"{at}[{number}].")))
    return found


def serialize_sidekicks(service: str, sidekicks: Iterable[Sidekick], *, values: bool) -> list[dict[str, Any]]:
    """The sidekicks of a service called `service`, as its field `secondaryLaunchConfigs` shows them."""
    return [
        {
            "type": "secondaryLaunchConfig",
            "name": each.name,
            **serialize_given(shown(service, each.config), values=values),
        }
        for each in sidekicks
    ]
