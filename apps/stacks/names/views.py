"""What single containers see besides: the domains in which they look names up, and their own names for others. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from apps.stacks.names.records import Records, is_dns_name
from apps.stacks.names.values import DOMAIN, EnvironmentNames, NamedContainer, NamedService


@dataclass(slots=True)
class _View:
    search: dict[str, None] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)

    def add(self, search: Iterable[str], links: Mapping[str, str]) -> None:
        """See this too; what was seen before goes first."""
        self.search.update(dict.fromkeys(search))
        for alias, record in links.items():
            self.links.setdefault(alias, record)

    def to_json(self) -> dict[str, Any]:
        """As the document has it."""
        return {"search": [*self.search, ""], **({"links": self.links} if self.links else {})}


def host_documents(names: EnvironmentNames, records: Records, hosts: Iterable[int]) -> dict[int, dict[str, Any]]:
    """The document of each host, without its version: the same records for all, and the views of its containers."""
    views = _Views(names, records)
    shared = {"domain": DOMAIN, "records": records.addresses, "externals": records.hostnames}
    return {host: {**shared, **views.on_host(host)} for host in hosts}


class _Views:
    def __init__(self, names: EnvironmentNames, records: Records) -> None:
        self._records = records
        self._services = {service.key: service for service in names.services}
        self._containers = {container.key: container for container in names.containers}
        self._links_of_service = {service.key: self._service_links(service) for service in names.services}
        self._by_host: dict[int | None, list[NamedContainer]] = defaultdict(list)
        for container in sorted(names.containers, key=lambda each: (each.sidekick != "", each.key)):
            self._by_host[container.host].append(container)

    def on_host(self, host: int) -> dict[str, Any]:
        """The views by address, and the one of all who ask with the host's own; primaries' names go first."""
        by_address: dict[str, _View] = defaultdict(_View)
        host_network = _View()
        for container in self._by_host.get(host, ()):
            if container.asks_as_host or container.address:
                view = host_network if container.asks_as_host else by_address[container.address]
                view.add(self._search(container), self._links(container))
        return {
            "views": {address: by_address[address].to_json() for address in sorted(by_address)},
            "hostNetwork": host_network.to_json(),
        }

    def _search(self, container: NamedContainer) -> Sequence[str]:
        service = self._services.get(container.service or 0)
        found = [] if service is None else [service.stack.lower(), service.record]
        return [each for each in found if is_dns_name(each)]

    def _links(self, container: NamedContainer) -> dict[str, str]:
        own = {
            alias.lower(): self._containers[key].name.lower()
            for alias, key in container.links.items()
            if key in self._containers
        }
        of_service = self._links_of_service.get(container.service or 0, {})
        return {**of_service, **{alias: record for alias, record in own.items() if self._is_known(alias, record)}}

    def _service_links(self, service: NamedService) -> dict[str, str]:
        found = {
            (alias or self._services[key].name).lower(): self._services[key].record
            for alias, key in service.links
            if key in self._services
        }
        return {alias: record for alias, record in found.items() if self._is_known(alias, record)}

    def _is_known(self, alias: str, record: str) -> bool:
        return is_dns_name(alias) and (record in self._records.addresses or record in self._records.hostnames)
