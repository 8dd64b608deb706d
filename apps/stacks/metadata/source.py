"""Where the document of metadata comes from: the rows of an environment, read in a constant number of queries."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from django.db.models import Count, Max, QuerySet, Sum

from apps.containers.fleet import stored_labels
from apps.containers.models import Container
from apps.core.fixed_query import FixedQuery
from apps.environments.models import Environment
from apps.hosts.documents.sources import DocumentSource
from apps.hosts.models import TAKES_DOCUMENTS, Host
from apps.hosts.selectors import address_of
from apps.network.figures import take_server_state
from apps.stacks.metadata.render import (
    ContainerFacts,
    EnvironmentFacts,
    HostFacts,
    PortFacts,
    ServiceFacts,
    SidekickFacts,
    StackFacts,
    document_of,
)
from apps.stacks.models import Service, ServiceLink, ServiceMember, Slot, Stack
from apps.stacks.names.values import service_fqdn
from apps.stacks.sidekicks import PRIMARY

_ANY_ADDRESS = {"", "0.0.0.0", "::"}  # noqa: S104 - read, not listened on


class MetadataSource(DocumentSource):
    """One document for all hosts of an environment, kept until something in the environment has changed."""

    name = "metadata"
    pause = 2.0  # who asks for changes waits for them; no connection hangs on it as on a name

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: dict[int, str] = {}  # by environment
        self._documents: dict[int, tuple[str, dict[str, Any]]] = {}

    def versions(self) -> Mapping[int, str]:
        """Of the hosts that take documents; without any nothing else is read."""
        hosts = dict(_HOSTS.rows())
        environments = set(hosts.values())
        found = _versions_of(environments) if environments else {}
        with self._lock:
            self._found = found
            self._documents = {key: kept for key, kept in self._documents.items() if key in environments}
        return {host: found[environment] for host, environment in hosts.items()}

    def on_status(self, host_id: int, status: Mapping[str, Any]) -> None:
        """Keep how the host's server is."""
        take_server_state(host_id, self.name, status)

    def build(self, host_id: int) -> dict[str, Any]:
        """The environment's document, made once for all of its hosts."""
        host = Host.all_objects.only("uuid", "environment").get(pk=host_id)
        environment = host.environment_id
        with self._lock:
            version = self._found.get(environment, "")
            kept = self._documents.get(environment)
        if kept is None or kept[0] != version:
            kept = (version, document_of(facts_of(environment)))
            with self._lock:
                self._documents[environment] = kept
        return {**kept[1], "self_host": str(host.uuid)}


def _versions_of(environments: set[int]) -> dict[int, str]:
    """A text of each environment that changes whenever its metadata might: counts and sums, which only grow."""
    texts = defaultdict[int, list[str]](list)
    for name, query in _VERSIONS.items():
        for environment, *found in query.rows(environments):
            texts[environment].append(f"{name} {found}")
    return {environment: " ".join(texts[environment]) for environment in environments}


def _rows(model: Any, environments: Iterable[int]) -> QuerySet[Any]:
    found: QuerySet[Any] = model.all_objects.filter(environment__in=environments, removed=None).order_by()
    return found


def _version_query(model: Any, *values: Any) -> FixedQuery:
    return FixedQuery(lambda keys: _rows(model, keys).values_list("environment").annotate(*values))


def _count_query(model: Any) -> FixedQuery:
    return FixedQuery(
        lambda keys: (
            model.objects.filter(service__environment__in=keys)
            .order_by()
            .values_list("service__environment")
            .annotate(Count("pk"), Max("pk"))
        )
    )


_HOSTS = FixedQuery(
    lambda _keys: Host.all_objects.filter(TAKES_DOCUMENTS, removed=None).order_by().values_list("pk", "environment")
)
_VERSIONS = {
    "Container": _version_query(Container, Count("pk"), Max("observed_at"), Sum("generation"), Max("pk")),
    "Service": _version_query(Service, Count("pk"), Max("observed_at"), Sum("generation"), Max("pk")),
    "Stack": _version_query(Stack, Count("pk"), Sum("generation"), Max("pk")),
    "Host": _version_query(Host, Count("pk"), Sum("generation"), Max("pk")),
    "ServiceLink": _count_query(ServiceLink),
    "ServiceMember": _count_query(ServiceMember),
}


def facts_of(environment_id: int) -> EnvironmentFacts:
    """Everything that metadata says of an environment, as it is now."""
    environment = Environment.objects.get(pk=environment_id)
    hosts = list(_rows(Host, [environment_id]).order_by("pk").defer("tls"))
    services = list(_rows(Service, [environment_id]).order_by("pk").select_related("stack"))
    return EnvironmentFacts(
        uuid=str(environment.uuid),
        name=environment.name,
        hosts=[_host_facts(host) for host in hosts],
        stacks=[StackFacts(str(row.uuid), row.name) for row in _stacks(environment_id)],
        services=_service_facts(environment_id, services),
        containers=_container_facts(environment_id, {host.pk: str(host.uuid) for host in hosts}, services),
    )


def _stacks(environment_id: int) -> Iterable[Stack]:
    return list(_rows(Stack, [environment_id]).order_by("pk").only("uuid", "name"))


def _host_facts(host: Host) -> HostFacts:
    return HostFacts(
        uuid=str(host.uuid),
        name=host.name,
        hostname=host.hostname,
        address=address_of(host),
        labels={str(key): str(value) for key, value in host.all_labels.items()},
        memory=host.reservable_memory,
        milli_cpu=host.reservable_milli_cpu,
        number=host.pk,
    )


def _service_facts(environment_id: int, services: Iterable[Service]) -> list[ServiceFacts]:
    links, members = defaultdict[int, dict[str, str]](dict), defaultdict[int, list[str]](list)
    linked = ServiceLink.objects.filter(service__environment=environment_id, target__removed=None)
    for key, name, stack, target in linked.values_list("service", "name", "target__stack__name", "target__name"):
        links[key][name] = f"{stack}/{target}"
    found = ServiceMember.objects.filter(service__environment=environment_id, managed=False, container__removed=None)
    for key, uuid in found.exclude(container=None).values_list("service", "container__uuid"):
        members[key].append(str(uuid))
    return [_one_service(row, links[row.pk], members[row.pk]) for row in services]


def _one_service(row: Service, links: Mapping[str, str], members: list[str]) -> ServiceFacts:
    config, target = row.config, row.options.external
    return ServiceFacts(
        uuid=str(row.uuid),
        stack=str(row.stack.uuid),
        kind=row.kind,
        scale=row.scale,
        number=row.pk,
        primary=_launch_facts(row.name, config),
        sidekicks=[_launch_facts(each.name, each.config) for each in row.sidekicks],
        members=members,
        links=links,
        metadata=row.metadata or {},
        external_addresses=target.addresses,
        hostname=target.hostname,
        health_check=config.health_check.to_wire() if config.health_check else target.health_check,
        state=row.display_state,
        fqdn=service_fqdn(row.name, row.stack.name),
    )


def _launch_facts(name: str, config: Any) -> SidekickFacts:
    return SidekickFacts(
        name,
        {str(key): str(value) for key, value in config.labels.items()},
        [str(port) for port in config.expose],
        [str(port) for port in config.published],
    )


def _container_facts(
    environment_id: int, hosts: Mapping[int, str], services: Iterable[Service]
) -> list[ContainerFacts]:
    rows = _rows(Container, [environment_id]).filter(kept_by=None).exclude(desired__in=("removed", "purged"))
    found = list(rows.order_by("pk").defer("spec", "placement", "network_check", "check_report"))
    columns = ("container__deployment_unit", "number", "container__desired", "previous__deployment_unit")
    units = list(Slot.objects.filter(service__environment=environment_id).values_list(*columns))
    slots = {unit: number for unit, number, _desired, _kept in units if unit is not None}
    running = {unit for unit, _number, desired, _kept in units if desired == "running"}
    kept = {unit for *_slot, unit in units if unit} | running - {""}
    found = [row for row in found if not _is_kept_sidekick(row, kept)]
    labels = stored_labels(Container, [(row.uuid, row.generation) for row in found])
    known = {str(row.uuid) for row in services}
    return [
        _one_container(row, hosts.get(row.host_id or 0, ""), known, slots, labels.get((row.uuid, row.generation), {}))
        for row in found
    ]


def _is_kept_sidekick(row: Container, units: Collection[str]) -> bool:
    """Whether it is stopped in a unit that runs, or beside a container that an upgrade keeps for a rollback."""
    return row.desired == "stopped" and row.launch_name not in {"", PRIMARY} and row.deployment_unit in units


def _one_container(
    row: Container, host: str, services: set[str], slots: Mapping[str, int], labels: Mapping[str, str]
) -> ContainerFacts:
    return ContainerFacts(
        uuid=str(row.uuid),
        name=row.name,
        number=row.pk,
        host=host,
        service=row.spread_key if row.spread_key in services else "",
        launch_name="" if row.launch_name == PRIMARY else row.launch_name,
        slot=slots.get(row.deployment_unit),
        address=row.address,
        external_id=row.external_id,
        state=row.display_state,
        health=row.health,
        starts=row.start_count,
        labels={**labels, **{str(key): str(value) for key, value in row.tags.items()}},
        ports=[_port_facts(port) for port in row.engine_state.get("ports", []) if port.get("public")],
        memory_reservation=row.reserved_memory,
        milli_cpu_reservation=row.reserved_milli_cpu,
    )


def _port_facts(port: Mapping[str, Any]) -> PortFacts:
    address = str(port.get("address") or "")
    return PortFacts(
        int(port["public"]), int(port["private"]), str(port["protocol"]), "" if address in _ANY_ADDRESS else address
    )
