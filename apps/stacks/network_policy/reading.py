"""Reads who belongs together in environments, in a constant number of queries however many there are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import Any

from django.db.models import Count, F, Max, QuerySet, Sum

from apps.containers.models import Container
from apps.network.models import Address
from apps.stacks.models import Service, ServiceLink, ServiceMember
from apps.stacks.names.reading import grouped, links_of_containers
from apps.stacks.network_policy.reach import PolicyContainer, PolicyMembers, PolicyService
from apps.stacks.service_options import ALIAS


def fingerprints(environments: Collection[int]) -> dict[int, str]:
    """Of each environment a text that is another one whenever its groups might be others. Counts and sums alone.

    The product tells two links that have exchanged their targets from what they were before.
    """
    found: dict[int, list[str]] = defaultdict(list)
    for number, query in enumerate(_FINGERPRINTS):
        for key, *values in query.rows(environments):
            found[key].append(f"{number} {values}")
    return {key: "|".join(texts) for key, texts in found.items()}


def read_members(environments: Collection[int]) -> dict[int, PolicyMembers]:
    """The services and containers of each of the environments; containers are those with an address on a host."""
    services = _read_services(environments)
    keys = {each["uuid"]: each["pk"] for rows in services.values() for each in rows}
    containers = _read_containers(environments, keys)
    links = _links(environments)
    selected = _selected_of(environments)
    return {
        key: PolicyMembers(
            [
                PolicyService(each["pk"], each["stack"], each["kind"] == ALIAS, links[each["pk"]], selected[each["pk"]])
                for each in services.get(key, ())
            ],
            containers.get(key, ()),
        )
        for key in environments
    }


def _live(kind: Any) -> QuerySet[Any]:
    rows: QuerySet[Any] = kind.all_objects.filter(removed=None)
    return rows


def _selected() -> QuerySet[ServiceMember]:
    return ServiceMember.objects.filter(managed=False, container__isnull=False)


def _read_services(environments: Collection[int]) -> dict[int, list[dict[str, Any]]]:
    found: dict[int, list[dict[str, Any]]] = defaultdict(list)
    rows = _live(Service).filter(environment__in=environments).order_by("pk")
    for each in rows.values("environment", "pk", "uuid", "stack", "kind"):
        found[each["environment"]].append({**each, "uuid": str(each["uuid"])})
    return found


def _read_containers(environments: Collection[int], services: dict[str, int]) -> dict[int, list[PolicyContainer]]:
    held = Address.objects.filter(environment__in=environments, holder__isnull=False, host__isnull=False)
    addresses = dict(held.values_list("holder", "address"))
    rows = _live(Container).filter(environment__in=environments).order_by("pk")
    columns = ("environment", "pk", "uuid", "generation", "spread_key")
    present = [row for row in rows.values_list(*columns) if row[1] in addresses]
    links = links_of_containers([(uuid, generation) for _environment, _key, uuid, generation, _spread in present])
    found: dict[int, list[PolicyContainer]] = defaultdict(list)
    for environment, key, uuid, generation, spread in present:
        linked = tuple(sorted(set(links[uuid, generation].values())))
        found[environment].append(PolicyContainer(key, addresses[key], services.get(spread), linked))
    return found


def _links(environments: Collection[int]) -> dict[int, list[int]]:
    rows = ServiceLink.objects.filter(service__environment__in=environments).order_by("pk")
    return _by_first(rows.values_list("service", "target"))


def _selected_of(environments: Collection[int]) -> dict[int, list[int]]:
    rows = _selected().filter(service__environment__in=environments).order_by("pk")
    return _by_first((service, container or 0) for service, container in rows.values_list("service", "container"))


def _by_first(pairs: Iterable[tuple[int, int]]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = defaultdict(list)
    for first, second in pairs:
        found[first].append(second)
    return found


_FINGERPRINTS = (
    grouped(lambda: _live(Container), "environment", Count("pk"), Max("pk"), Sum("generation")),
    grouped(lambda: _live(Service), "environment", Count("pk"), Max("pk"), Sum("generation")),
    grouped(
        ServiceLink.objects.all, "service__environment", Count("pk"), Max("pk"), links=Sum(F("service") * F("target"))
    ),
    grouped(_selected, "service__environment", Count("pk"), Max("pk"), members=Sum(F("service") * F("container"))),
)
