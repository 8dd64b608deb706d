"""Which names lead to which addresses: pure. Healthy containers only; while none of a name is, all of them."""

from __future__ import annotations

import ipaddress
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from apps.stacks.names.values import EnvironmentNames, NamedContainer, NamedService

MAX_NAME = 220  # with the domain, a name in DNS has 253 characters


@dataclass(frozen=True, slots=True)
class Records:
    """The names of an environment, in lower case and without the domain.

    `addresses` by name, each in a stable order; `hostnames` are the names outside for which others stand.
    """

    addresses: Mapping[str, list[str]]
    hostnames: Mapping[str, str]


def render_records(names: EnvironmentNames) -> Records:
    """The records. A service comes before a container that is called like it."""
    found = _Targets(names)
    addresses: dict[str, list[str]] = {}
    hostnames: dict[str, str] = {}
    for name, containers in found.by_container_name.items():
        addresses[name] = _serving(containers)
    for name, containers in found.by_sidekick.items():
        addresses[name] = _serving(containers)
    for service in names.services:
        target = found.target_of(service)
        if not target.addresses and target.hostname:
            hostnames[service.record] = target.hostname
            addresses.pop(service.record, None)
        else:
            addresses[service.record] = target.addresses
    return Records(
        {name: addresses[name] for name in sorted(addresses) if is_dns_name(name)},
        {name: hostnames[name] for name in sorted(hostnames) if is_dns_name(name)},
    )


@dataclass(frozen=True, slots=True)
class _Target:
    addresses: list[str] = field(default_factory=list)
    hostname: str = ""


class _Targets:
    """Where each name leads, looked up among everything that has one."""

    def __init__(self, names: EnvironmentNames) -> None:
        self._services = {service.key: service for service in names.services}
        self._containers = {container.key: container for container in names.containers}
        self._primaries: dict[int, list[NamedContainer]] = defaultdict(list)
        self.by_container_name: dict[str, list[NamedContainer]] = defaultdict(list)
        self.by_sidekick: dict[str, list[NamedContainer]] = defaultdict(list)
        for container in names.containers:
            self._sort_in(container)

    def _sort_in(self, container: NamedContainer) -> None:
        if not container.address:
            return
        self.by_container_name[container.name.lower()].append(container)
        service = self._services.get(container.service or 0)
        if service is None:
            return
        if container.sidekick:
            self.by_sidekick[f"{container.sidekick}.{service.record}".lower()].append(container)
        else:
            self._primaries[service.key].append(container)

    def target_of(self, service: NamedService) -> _Target:
        """Where a service leads: an alias to all that its targets lead to, directly or through other aliases."""
        if not service.is_alias:
            return self._own_target(service)
        seen, pending, found = {service.key}, [service], list[_Target]()
        while pending:
            alias = pending.pop()
            for _name, key in alias.links if alias.is_active else ():
                target = self._services.get(key)
                if target is None or key in seen:
                    continue
                seen.add(key)
                if target.is_alias:
                    pending.append(target)
                else:
                    found.append(self._own_target(target))
        addresses = _in_order(address for each in found for address in each.addresses)
        return _Target(addresses, min((each.hostname for each in found if each.hostname), default=""))

    def _own_target(self, service: NamedService) -> _Target:
        if service.is_external:
            return _Target(_in_order(service.addresses), service.hostname) if service.is_active else _Target()
        selected = [self._containers[key] for key in service.selected if key in self._containers]
        return _Target(_serving([*self._primaries[service.key], *selected]))


def _serving(containers: Iterable[NamedContainer]) -> list[str]:
    reachable = [each for each in containers if each.address]
    healthy = [each for each in reachable if each.is_healthy]
    return _in_order(each.address for each in healthy or reachable)


def _in_order(addresses: Iterable[str]) -> list[str]:
    parsed = sorted({ipaddress.ip_address(each) for each in addresses}, key=lambda each: (each.version, int(each)))
    return [str(each) for each in parsed]


def is_dns_name(name: str) -> bool:
    """Whether a resolver can ask for it: names of containers made outside may be anything."""
    labels = name.split(".")
    is_short = len(name) <= MAX_NAME and all(0 < len(label) <= 63 for label in labels)
    return is_short and name.isascii() and name.isprintable() and " " not in name
