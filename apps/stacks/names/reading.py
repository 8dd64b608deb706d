"""Reads what has names in the environments, in a constant number of queries however many there are."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any
from uuid import UUID

from django.db.models import Count, F, Max, QuerySet, Sum

from apps.containers.models import Container
from apps.core.fixed_query import FixedQuery
from apps.core.ids import row_number
from apps.hosts.models import AGENT_SCHEME, Host
from apps.network.engine_network import NETWORK
from apps.stacks.external_checks import unhealthy_addresses
from apps.stacks.models import Service, ServiceLink, ServiceMember, Stack
from apps.stacks.names.values import EnvironmentNames, NamedContainer, NamedService
from apps.stacks.service_options import ALIAS, EXTERNAL
from apps.stacks.sidekicks import PRIMARY

_HOST_NETWORK = "host"
_GOING = ("removed", "purged", "stopped")
_LOST = "disconnected"  # for a while: one that only reconnects, as all do after the portal started, keeps its names
_BATCH = 500
_MAX_CACHED_LINKS = 4096
_links_cache: OrderedDict[tuple[UUID, int], Mapping[str, int]] = OrderedDict()
_links_lock = Lock()


@dataclass(frozen=True, slots=True)
class EnvironmentHosts:
    """The hosts of an environment: those that take documents, and a text that is another one when any is another."""

    with_agents: tuple[int, ...]
    mark: str


def read_hosts() -> dict[int, EnvironmentHosts]:
    """The hosts of each environment that has some with agents."""
    with_agents: dict[int, list[int]] = defaultdict(list)
    marks: dict[int, list[str]] = defaultdict(list)
    for environment, key, url, has_container, address, state in _HOSTS.rows():
        marks[environment].append(f"{key} {address} {state == _LOST}")
        if has_container or url.startswith(AGENT_SCHEME):
            with_agents[environment].append(key)
    return {key: EnvironmentHosts(tuple(found), "|".join(marks[key])) for key, found in with_agents.items()}


def fingerprints(environments: Collection[int]) -> dict[int, str]:
    """Of each environment a text that is another one whenever a name might lead elsewhere. Counts and sums alone."""
    found: dict[int, list[str]] = defaultdict(list)
    for number, query in enumerate(_FINGERPRINTS):
        for key, *values in query.rows(environments):
            found[key].append(f"{number} {values}")
    return {key: "|".join(texts) for key, texts in found.items()}


def read_names(environments: Collection[int]) -> dict[int, EnvironmentNames]:
    """What has names in each of the environments."""
    services = _read_services(environments)
    containers = _read_containers(environments)
    return {key: EnvironmentNames(services.get(key, ()), containers.get(key, ())) for key in environments}


def _live(kind: Any) -> QuerySet[Any]:
    rows: QuerySet[Any] = kind.all_objects.filter(removed=None)
    return rows


def _selected() -> QuerySet[ServiceMember]:
    return ServiceMember.objects.filter(managed=False, container__isnull=False)


def _checked() -> QuerySet[ServiceMember]:
    return ServiceMember.objects.filter(checked_at__isnull=False)


def grouped(rows: Callable[[], QuerySet[Any]], environment: str, *columns: Any, **named: Any) -> FixedQuery:
    """The columns of each environment, read whenever documents might have changed."""
    return FixedQuery(
        lambda keys: (
            rows()
            .filter(**{f"{environment}__in": keys})
            .order_by()
            .values_list(environment)
            .annotate(*columns, **named)
        )
    )


_HOSTS = FixedQuery(
    lambda _keys: (
        _live(Host).order_by("pk").values_list("environment", "pk", "url", "system_container", "address", "state")
    )
)
_FINGERPRINTS = (
    grouped(lambda: _live(Container), "environment", Count("pk"), Max("observed_at"), Sum("generation")),
    grouped(lambda: _live(Service), "environment", Count("pk"), Max("observed_at"), Sum("generation")),
    grouped(lambda: _live(Stack), "environment", Count("pk"), Sum("generation")),
    grouped(ServiceLink.objects.all, "service__environment", Count("pk"), Max("pk"), Sum("target"), Sum("service")),
    grouped(_selected, "service__environment", Count("pk"), Max("pk"), Sum("container")),
    grouped(_checked, "service__environment", Count("pk"), Max("checked_at")),
)


def _read_services(environments: Collection[int]) -> dict[int, list[NamedService]]:
    links: dict[int, list[tuple[str, int]]] = defaultdict(list)
    rows = ServiceLink.objects.filter(service__environment__in=environments).order_by("name")
    for service, name, target in rows.values_list("service", "name", "target"):
        links[service].append((name, target))
    selected: dict[int, list[int]] = defaultdict(list)
    members = _selected().filter(service__environment__in=environments).order_by("pk")
    for service, container in members.values_list("service", "container"):
        selected[service].append(int(container or 0))
    failing = unhealthy_addresses(environments)
    found: dict[int, list[NamedService]] = defaultdict(list)
    columns = ("environment", "pk", "name", "stack__name", "kind", "external", "desired")
    live = _live(Service).filter(environment__in=environments).exclude(desired__in=("removed", "purged")).order_by("pk")
    for environment, key, name, stack, kind, external, desired in live.values_list(*columns):
        found[environment].append(
            NamedService(
                key=key,
                name=name,
                stack=stack,
                is_alias=kind == ALIAS,
                is_external=kind == EXTERNAL,
                is_active=desired == "active",
                selected=tuple(selected[key]),
                addresses=_serving(filter(_is_address, external.get("addresses", ())), failing.get(key, ())),
                hostname=external.get("hostname", ""),
                links=tuple(links[key]),
            )
        )
    return found


def _serving(addresses: Iterable[str], failing: Collection[str]) -> tuple[str, ...]:
    """Those that pass their health check; all of them where none does."""
    known = tuple(addresses)
    return tuple(each for each in known if each not in failing) or known


_COLUMNS = (
    *("environment", "pk", "uuid", "generation", "name", "address", "health", "deployment_unit", "launch_name"),
    *("spread_key", "host", "host_state", "host_address", "seen_networks"),
)


def _read_containers(environments: Collection[int]) -> dict[int, list[NamedContainer]]:
    rows = _live(Container).filter(environment__in=environments, state="running").exclude(desired__in=_GOING)
    rows = rows.annotate(
        host_state=F("host__state"), host_address=F("host__address"), seen_networks=F("status__networks")
    ).order_by("pk")
    records = [dict(zip(_COLUMNS, values, strict=True)) for values in rows.values_list(*_COLUMNS)]
    services = _services_by_uuid(environments)
    links = links_of_containers([(each["uuid"], each["generation"]) for each in records])
    lenders = {each["deployment_unit"]: _own_address(each) for each in records if each["launch_name"] == PRIMARY}
    found: dict[int, list[NamedContainer]] = defaultdict(list)
    for each in records:
        service = services.get(each["spread_key"])
        found[each["environment"]].append(
            NamedContainer(
                key=each["pk"],
                name=each["name"],
                address=_own_address(each) or _lent_address(each, lenders),
                host=each["host"],
                is_healthy=each["health"] in {"", "healthy"} and each["host_state"] != _LOST,
                service=service,
                sidekick="" if each["launch_name"] in {"", PRIMARY} else each["launch_name"],
                asks_as_host=_HOST_NETWORK in (each["seen_networks"] or {}),
                links=links[each["uuid"], each["generation"]],
            )
        )
    return found


def _services_by_uuid(environments: Collection[int]) -> dict[str, int]:
    rows = _live(Service).filter(environment__in=environments).order_by()
    return {str(uuid): key for uuid, key in rows.values_list("uuid", "pk")}


def _own_address(record: Mapping[str, Any]) -> str:
    """Where others reach it: in the managed network, or its host's address where it shares that one's network."""
    networks = record["seen_networks"] or {}
    address = networks.get(NETWORK) or (record["host_address"] if _HOST_NETWORK in networks else "")
    return address if _is_address(address) else ""


def _lent_address(record: Mapping[str, Any], lenders: Mapping[str, str]) -> str:
    """A member of a unit without a network has that of another one, which is nearly always the primary's."""
    unit = record["deployment_unit"]
    return lenders.get(unit, "") if unit and not record["seen_networks"] else ""


def _is_address(text: Any) -> bool:
    try:
        ipaddress.ip_address(text or "")
    except ValueError:
        return False
    return True


def links_of_containers(keys: Iterable[tuple[UUID, int]]) -> dict[tuple[UUID, int], Mapping[str, int]]:
    """The links of single containers to others; decrypted once for each change of a container."""
    wanted = list(keys)
    with _links_lock:
        known = {key: _links_cache[key] for key in wanted if key in _links_cache}
    missing = [uuid for uuid, generation in wanted if (uuid, generation) not in known]
    for at in range(0, len(missing), _BATCH):
        rows = Container.all_objects.filter(uuid__in=missing[at : at + _BATCH])
        for uuid, generation, spec in rows.values_list("uuid", "generation", "spec"):
            links = (spec.get("instance_links") or {}).items()
            known[uuid, generation] = {alias: row_number(reference) or 0 for alias, reference in links}
    with _links_lock:
        _links_cache.update(known)
        while len(_links_cache) > _MAX_CACHED_LINKS:
            _links_cache.popitem(last=False)
    return {key: known.get(key, {}) for key in wanted}
