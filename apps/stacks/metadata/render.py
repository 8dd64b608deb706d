"""The document of metadata: facts of an environment in, what the agents' metadata service answers from out; pure.

Fields and their names are those that programs written for Rancher 1.x read (docs/reference/metadata.md).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class HostFacts:
    """A host; memory in bytes, processors in thousandths."""

    uuid: str
    name: str
    hostname: str
    address: str
    labels: Mapping[str, str] = field(default_factory=dict)
    memory: int | None = None
    milli_cpu: int | None = None
    number: int = 0


@dataclass(frozen=True, slots=True)
class PortFacts:
    """A published port; `address` is empty where it is all of the host's."""

    public: int
    private: int
    protocol: str
    address: str = ""


@dataclass(frozen=True, slots=True)
class ContainerFacts:
    """A container; `launch_name` is its sidekick's name, empty for a primary one, `slot` its number in the service."""

    uuid: str
    name: str
    number: int
    host: str = ""
    service: str = ""
    launch_name: str = ""
    slot: int | None = None
    address: str = ""
    external_id: str = ""
    state: str = ""
    health: str = ""
    starts: int = 0
    hostname: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    ports: Sequence[PortFacts] = ()
    links: Mapping[str, str] = field(default_factory=dict)
    memory_reservation: int = 0
    milli_cpu_reservation: int = 0


@dataclass(frozen=True, slots=True)
class SidekickFacts:
    """A sidekick, which is shown as a service of its own."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    expose: Sequence[str] = ()
    ports: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class ServiceFacts:
    """A service; `members` are the containers that its selector found, by their uuids, `links` name to `stack/service`.

    `primary` is what its primary containers are made from, under the service's own name.
    """

    uuid: str
    stack: str
    kind: str
    scale: int
    number: int
    primary: SidekickFacts
    sidekicks: Sequence[SidekickFacts] = ()
    members: Sequence[str] = ()
    links: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    external_addresses: Sequence[str] = ()
    hostname: str = ""
    health_check: Mapping[str, Any] | None = None
    state: str = ""
    fqdn: str = ""


@dataclass(frozen=True, slots=True)
class StackFacts:
    """A stack."""

    uuid: str
    name: str


@dataclass(frozen=True, slots=True)
class EnvironmentFacts:
    """Everything of one environment."""

    uuid: str
    name: str
    hosts: Sequence[HostFacts] = ()
    stacks: Sequence[StackFacts] = ()
    services: Sequence[ServiceFacts] = ()
    containers: Sequence[ContainerFacts] = ()


def document_of(facts: EnvironmentFacts) -> dict[str, Any]:
    """The document for all hosts of the environment; which of them `self_host` is each host's own."""
    stacks = {stack.uuid: stack.name for stack in facts.stacks}
    services = [service for service in facts.services if service.stack in stacks]
    hosts = {host.uuid: host for host in facts.hosts}
    names = {service.uuid: service for service in services}
    members = _members(facts.containers)
    found: dict[str, Any] = {
        "stacks": [_stack(stack, facts) for stack in facts.stacks],
        "services": [row for each in services for row in _service_rows(each, stacks[each.stack], members)],
        "containers": [_container(each, names.get(each.service), stacks, hosts, facts) for each in facts.containers],
        "hosts": [_host(host, facts) for host in facts.hosts],
        "networks": [],
    }
    text = json.dumps(found, sort_keys=True, separators=(",", ":"))
    return {**found, "revision": hashlib.sha256(text.encode()).hexdigest()[:32]}


def _members(containers: Sequence[ContainerFacts]) -> dict[tuple[str, str], list[str]]:
    """The containers of each launch configuration of each service, by number."""
    found: dict[tuple[str, str], list[str]] = {}
    for each in sorted(containers, key=lambda one: (one.slot or 0, one.number)):
        if each.service:
            found.setdefault((each.service, each.launch_name), []).append(each.uuid)
    return found


def _stack(stack: StackFacts, facts: EnvironmentFacts) -> dict[str, Any]:
    return {
        "environment_name": facts.name,
        "environment_uuid": facts.uuid,
        "name": stack.name,
        "system": False,
        "uuid": stack.uuid,
    }


def _service_rows(
    service: ServiceFacts, stack: str, members: Mapping[tuple[str, str], list[str]]
) -> list[dict[str, Any]]:
    """One for its primary containers, and one for each sidekick, which all have the service's uuid."""
    common = {
        "create_index": service.number,
        "fqdn": service.fqdn or None,
        "hostname": service.hostname or None,
        "kind": service.kind,
        "links": dict(service.links),
        "metadata": dict(service.metadata),
        "primary_service_name": service.primary.name,
        "scale": service.scale,
        "stack_name": stack,
        "stack_uuid": service.stack,
        "state": service.state,
        "system": False,
        "token": None,
        "uuid": service.uuid,
        "vip": None,
        "external_ips": list(service.external_addresses),
        "health_check": _health_check(service.health_check),
    }
    names = [each.name for each in service.sidekicks]
    primary = [*members.get((service.uuid, ""), ()), *service.members]
    rows = [_launch_row(common, service.primary, primary) | {"sidekicks": names}]
    for each in service.sidekicks:
        own = _launch_row(common, each, members.get((service.uuid, each.name), ()))
        rows.append(own | {"sidekicks": [], "external_ips": [], "health_check": None})
    return rows


def _launch_row(common: Mapping[str, Any], launch: SidekickFacts, containers: Sequence[str]) -> dict[str, Any]:
    return {
        **common,
        "containers": list(dict.fromkeys(containers)),
        "expose": list(launch.expose),
        "labels": dict(launch.labels),
        "name": launch.name,
        "ports": list(launch.ports),
    }


def _health_check(wire: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if not wire:
        return None
    return {
        "healthy_threshold": wire.get("healthyThreshold"),
        "interval": wire.get("interval"),
        "port": wire.get("port"),
        "request_line": wire.get("requestLine") or "",
        "response_timeout": wire.get("responseTimeout"),
        "unhealthy_threshold": wire.get("unhealthyThreshold"),
    }


def _container(
    each: ContainerFacts,
    service: ServiceFacts | None,
    stacks: Mapping[str, str],
    hosts: Mapping[str, HostFacts],
    facts: EnvironmentFacts,
) -> dict[str, Any]:
    host = hosts.get(each.host)
    name = (each.launch_name or service.primary.name) if service else None
    return {
        "create_index": each.number,
        "environment_uuid": facts.uuid,
        "external_id": each.external_id or None,
        "health_state": each.health or None,
        "host_ip": host.address if host else "",
        "host_uuid": each.host or None,
        "hostname": each.hostname or each.external_id[:12] or None,
        "ips": [each.address] if each.address else [],
        "labels": dict(each.labels),
        "links": dict(each.links),
        "memory_reservation": each.memory_reservation or None,
        "milli_cpu_reservation": each.milli_cpu_reservation or None,
        "name": each.name,
        "ports": [_port(port) for port in each.ports],
        "primary_ip": each.address or None,
        "service_index": None if each.slot is None else str(each.slot),
        "service_name": name,
        "service_uuid": service.uuid if service else None,
        "stack_name": stacks[service.stack] if service else None,
        "stack_uuid": service.stack if service else None,
        "start_count": each.starts,
        "state": each.state,
        "system": False,
        "uuid": each.uuid,
    }


def _port(port: PortFacts) -> str:
    lead = f"{port.address}:" if port.address else ""
    return f"{lead}{port.public}:{port.private}/{port.protocol}"


def _host(host: HostFacts, facts: EnvironmentFacts) -> dict[str, Any]:
    return {
        "agent_ip": host.address,
        "environment_uuid": facts.uuid,
        "host_id": host.number,
        "hostname": host.hostname,
        "labels": dict(host.labels),
        "memory": host.memory,
        "milli_cpu": host.milli_cpu,
        "name": host.name or host.hostname,
        "uuid": host.uuid,
    }
