"""From a launch configuration to the engine's create body, and back from an inspect answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from apps.containers.launch.config import LaunchConfig
from apps.containers.launch.engine_values import (
    Inspected,
    drop_empty,
    write_entry_point,
    write_exposed_ports,
    write_port_bindings,
)
from apps.containers.launch.fields.declaration import launch_fields


@dataclass(frozen=True, slots=True)
class _WritePlan:
    """What of a configuration goes where in the body: worked out once for each kind of body, not for each container."""

    values: Callable[[LaunchConfig], tuple[Any, ...]]
    keys: tuple[tuple[str, bool, Callable[[Any], Any] | None], ...]

    @classmethod
    def of(cls, kind: type[LaunchConfig], *, shares_network: bool, only_ruled: bool) -> _WritePlan:
        """The keys that each field writes by itself."""
        found = [
            (field.attribute, key)
            for field in launch_fields(kind)
            for key in field.engine
            if not (key.assembled or (key.network_own and shares_network) or (only_ruled and not key.ruled))
        ]
        return cls(
            attrgetter(*(attribute for attribute, _key in found)),
            tuple((key.key, key.in_host_config, key.write) for _attribute, key in found),
        )


@dataclass(frozen=True, slots=True)
class ManagedEndpoint:
    """How a container is connected to the managed network: its address, and who answers its questions for names."""

    address: str
    mac: str
    name_servers: tuple[str, ...] = ()
    search_domains: tuple[str, ...] = ()


# Six at most for each class. With a plan an ordinary body takes 14 µs, without one 21 µs and more with every field.
_WRITE_PLANS: dict[tuple[type[LaunchConfig], bool, bool], _WritePlan] = {}


def _write_fields(config: LaunchConfig, *, only_ruled: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """What each field says by itself, beside the HostConfig and in it; what says nothing is left to the engine."""
    shares_network = config.network_mode == "container"
    plan_key = type(config), shares_network, only_ruled
    plan = _WRITE_PLANS.get(plan_key)
    if plan is None:
        plan = _WRITE_PLANS[plan_key] = _WritePlan.of(
            type(config), shares_network=shares_network, only_ruled=only_ruled
        )
    body: dict[str, Any] = {}
    host: dict[str, Any] = {}
    for value, (key, in_host_config, write) in zip(plan.values(config), plan.keys, strict=True):
        if value or isinstance(value, int):  # zero and false say something
            written = write(value) if write else value
            if written or isinstance(written, int):
                (host if in_host_config else body)[key] = written
    return body, host


def engine_body(
    config: LaunchConfig,
    *,
    labels: Mapping[str, str],
    network: str | None = None,
    bridge: str | None = None,
    endpoint: ManagedEndpoint | None = None,
    aliases: Sequence[str] = (),
    hostname: str | None = None,
    links: Sequence[str] = (),
    peer: str | None = None,
    volumes_from: Sequence[str] = (),
) -> dict[str, Any]:
    """The Engine API's create body, made of known fields only: what is not written here is never asked of an engine.

    `labels` win over the configuration's own; `network`, `endpoint` and `aliases` serve the managed mode, `bridge` and
    `aliases` mode `bridge`: a network of the engine that has the place of its default bridge; `peer` is the
    engine's id of the container whose network is shared; `links` are `container:alias`; `volumes_from` are engine ids.
    """
    body, host = _write_fields(config, only_ruled=False)
    body |= drop_empty({"Image": config.image, "Labels": {**config.labels, **labels}})
    if (entry_point := write_entry_point(config.entry_point)) is not None:
        body["Entrypoint"] = entry_point
    host |= _assembled_ruled_keys(config, network, peer, volumes_from)
    if config.network_mode == "bridge" and bridge:
        host["NetworkMode"] = network = bridge
    managed = bool(network) and (config.network_mode == "managed" or network == bridge)
    if config.network_mode != "container":  # engines refuse these for a container that shares another's network
        ports = write_exposed_ports((*config.expose, *config.published))
        body |= drop_empty({"Hostname": hostname or config.hostname, "ExposedPorts": ports})
        links_of_host = [] if managed else list(links)
        host |= drop_empty({"PortBindings": write_port_bindings(config.published), "Links": links_of_host})
    if managed and endpoint is not None:
        body |= _managed_keys(network, endpoint)
        host |= drop_empty({"Dns": list(endpoint.name_servers), "DnsSearch": list(endpoint.search_domains)})
    elif managed and network != "bridge":  # where engines refuse names
        local = drop_empty({"Aliases": list(aliases), "Links": list(links)})
        body["NetworkingConfig"] = {"EndpointsConfig": {network: local}}
    body["HostConfig"] = host
    return body


def _managed_keys(network: str | None, endpoint: ManagedEndpoint) -> dict[str, Any]:
    """Without aliases and links: the engine would answer with its own containers only.

    Engines before 25 read the MAC address of the container, later ones that of the endpoint.
    """
    settings = {"IPAMConfig": {"IPv4Address": endpoint.address}, "MacAddress": endpoint.mac}
    return {"MacAddress": endpoint.mac, "NetworkingConfig": {"EndpointsConfig": {network: settings}}}


def ruled_body(
    config: LaunchConfig, *, network: str, peer: str | None = None, volumes_from: Sequence[str] = ()
) -> dict[str, Any]:
    """The part of `engine_body` that the host policy has rules for: what it takes to judge a configuration."""
    _body, host = _write_fields(config, only_ruled=True)
    ruled = {"HostConfig": host | _assembled_ruled_keys(config, network, peer, volumes_from)}
    return ruled | ({"Labels": config.labels} if config.labels else {})


def _assembled_ruled_keys(
    config: LaunchConfig, network: str | None, peer: str | None, volumes_from: Sequence[str]
) -> dict[str, Any]:
    mode = config.network_mode
    if mode == "container":
        mode = f"container:{peer}"
    elif mode == "managed":
        mode = network or "bridge"
    found: dict[str, Any] = {"NetworkMode": mode}
    return found | {"VolumesFrom": list(volumes_from)} if volumes_from else found


def config_from_inspect(raw: Mapping[str, Any], kind: type[LaunchConfig] = LaunchConfig) -> LaunchConfig:
    """What a container made outside Corral was made from, as far as its inspect answer (or create body) tells.

    Never raises: what cannot be expressed is left out. The same input gives the same output.
    """
    seen = Inspected.of(raw)
    plan = _READ_PLANS.get(kind)
    if plan is None:
        plan = _READ_PLANS[kind] = _ReadPlan.of(kind)
    found = {name: inspect(seen) for name, inspect in plan.inspected}
    for name, in_host_config, key, read in plan.keys:
        value = (seen.host if in_host_config else seen.process).get(key)
        found[name] = (read(value) if read else value) or None
    return kind.from_wire_lenient(found)


@dataclass(frozen=True, slots=True)
class _ReadPlan:
    """Which field is read off which key, and which off the whole answer."""

    inspected: tuple[tuple[str, Callable[[Inspected], Any]], ...]
    keys: tuple[tuple[str, bool, str, Callable[[Any], Any] | None], ...]

    @classmethod
    def of(cls, kind: type[LaunchConfig]) -> _ReadPlan:
        """Each field that the engine knows; of several keys the first is read."""
        fields = [field for field in launch_fields(kind) if field.engine]
        return cls(
            tuple((field.name, field.inspect) for field in fields if field.inspect),
            tuple(
                (field.name, key.in_host_config, key.key, key.read)
                for field in fields
                for key in field.engine[:1]
                if not field.inspect
            ),
        )


_READ_PLANS: dict[type[LaunchConfig], _ReadPlan] = {}
