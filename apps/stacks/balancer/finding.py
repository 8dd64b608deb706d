"""Which containers balancers have found: what they replace stays until new requests go to them as well."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Self

from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from apps.containers.departure import is_leaving
from apps.containers.models import Container
from apps.core.defaults import setting_int
from apps.stacks.balancer.process import HaproxyProcess
from apps.stacks.balancer.render import RenderedServer
from apps.stacks.models import Service
from apps.stacks.service_options import ALIAS, BALANCER
from apps.stacks.sidekicks import PRIMARY

FIND_SETTING = "lb.find.seconds"
FOUND = "found"  # in a balancer's status: the runs of containers that all of its own containers send requests to
FOUND_BY = "found_by"  # the runs of its own containers that say so
SOUGHT = "sought"  # runs that they have not found yet, with the time since when they look
AWAITED = "awaited"  # in the status of a service: its containers that work and are not found yet, and since when


def run_key(container: Container) -> str:
    """One run of a container, in short: one that was started again has to be found again."""
    return f"{container.pk}-{zlib.crc32(str(container.engine_state.get('started_at', '')).encode()):08x}"


def found_servers(process: HaproxyProcess, servers: Iterable[RenderedServer]) -> frozenset[str]:
    """The keys of the servers to which the current worker sends requests. Pure.

    Where it sends none to any server of a backend, as nothing answers at that port, nobody has to be found there.
    """
    counters = process.current.counters if process.current else {}
    up = {each for each in servers if (seen := counters.get((each.backend, each.name))) and seen.is_up}
    backends = {each.backend for each in up}
    missing = {each.key for each in servers if each not in up and each.backend in backends}
    return frozenset({each.key for each in up} - missing - {""})


@dataclass(frozen=True, slots=True)
class LastLook:
    """What a balancer's containers, by their runs, had found when they were looked at last, and what they look for."""

    found: frozenset[str] = frozenset()
    found_by: frozenset[str] = frozenset()
    sought: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_status(cls, status: Mapping[str, Any]) -> Self:
        """As it is stored in the balancer's status."""
        return cls(frozenset(status.get(FOUND, ())), frozenset(status.get(FOUND_BY, ())), status.get(SOUGHT, {}))

    def to_status(self) -> dict[str, Any]:
        """As `from_status` reads it."""
        return {FOUND: sorted(self.found), FOUND_BY: sorted(self.found_by), SOUGHT: dict(self.sought)}

    def is_complete(self, keys: Collection[str], by: Collection[str]) -> bool:
        """Whether these balancer containers, and no others, have found all of these runs."""
        return self.found >= set(keys) and self.found_by == set(by)

    def then(self, keys: Collection[str], looks: Mapping[str, frozenset[str]] | None, now: datetime) -> LastLook:
        """After a look: what each of the balancer's containers that answered has found; None when nobody looked.

        One that sends requests to nobody, as its host reaches no target, says nothing about the others.
        """
        found, by = self.found & set(keys), self.found_by
        if looks is not None:
            said = [each for each in looks.values() if each]
            found, by = frozenset.intersection(*said) if said else frozenset(), frozenset(looks)
        missing = set(keys) - found
        return LastLook(found, by, {key: self.sought.get(key, now.isoformat()) for key in missing} if by else {})

    def seeks(self, now: datetime) -> frozenset[str]:
        """What is worth looking for again soon."""
        limit = timedelta(seconds=setting_int(FIND_SETTING))
        return frozenset(key for key, at in self.sought.items() if (parse_datetime(at) or now) + limit > now)


@dataclass(frozen=True, slots=True)
class FoundByBalancers:
    """What the balancers that send requests to containers of a service have found, by their names.

    `since` when which of the service's containers are awaited, for `limit` at most.
    """

    found: Mapping[str, Collection[str]] = field(default_factory=dict)
    since: Mapping[str, str] = field(default_factory=dict)
    limit: timedelta = timedelta()
    now: datetime | None = None

    def missing_from(self, container: Container) -> list[str]:
        """The balancers that have not found the container."""
        if container.launch_name not in {"", PRIMARY}:
            return []
        return [name for name, keys in self.found.items() if run_key(container) not in keys]

    def is_awaited(self, container: Container) -> bool:
        """Whether a balancer has not found it yet, and is still waited for."""
        if self.now is None or not self.missing_from(container):
            return False
        since = parse_datetime(self.since.get(run_key(container), "")) or self.now
        return since + self.limit > self.now

    def status_with(self, containers: Iterable[Container]) -> dict[str, Any]:
        """The part of the service's status that says since when these, which work, are not found."""
        missing = [run_key(each) for each in containers if self.missing_from(each)]
        now = (self.now or timezone.now()).isoformat()
        return {AWAITED: {key: self.since.get(key, now) for key in missing}}

    def message(self, containers: Iterable[Container]) -> str:
        """What follows on the progress: which balancers are waited for to find which of these; empty when none is."""
        awaited = [each for each in containers if self.is_awaited(each)]
        if not awaited:
            return ""
        names = sorted({name for each in awaited for name in self.missing_from(each)})
        kind = "balancer" if len(names) == 1 else "balancers"
        first, more = awaited[0].name, len(awaited) - 1
        return f"; waits for {kind} {', '.join(names)} to find {first}{f' and {more} more' if more else ''}"


NOT_BALANCED = FoundByBalancers()


def finding_of(row: Service, containers: Iterable[Container]) -> FoundByBalancers:
    """What the balancers in front of a service have found; three queries, or two where there is none.

    A balancer that sends nothing to any of the containers, as it is down or nothing answers it, is not waited for.
    """
    limit = timedelta(seconds=setting_int(FIND_SETTING))
    mine = {str(each.pk) for each in containers}
    found = {f"{each.stack.name}/{each.name}": each.status.get(FOUND, ()) for each in balancers_of_service(row)}
    found = {name: keys for name, keys in found.items() if any(key.partition("-")[0] in mine for key in keys)}
    return FoundByBalancers(found, row.status.get(AWAITED) or {}, limit, timezone.now())


def active_balancers(environment_id: int | None) -> QuerySet[Service]:
    """The balancers of an environment that are to run."""
    rows: QuerySet[Service] = Service.all_objects.filter(
        environment=environment_id, kind=BALANCER, removed=None, desired="active"
    )
    return rows


def balancers_of_service(row: Service) -> Iterable[Service]:
    """The active balancers that lead to the service, to an alias of it, or to a service that selects its containers."""
    to_it = Q(links__target=row.pk) | Q(links__target__links__target=row.pk, links__target__kind=ALIAS)
    to_it |= Q(links__target__members__container__spread_key=str(row.uuid))
    rows = active_balancers(row.environment_id)
    if not rows.exists():  # as in most environments: what follows takes much longer
        return []
    return rows.filter(to_it).select_related("stack").only("name", "status", "stack__name").distinct()


def services_to_tell(environment_id: int, keys: Iterable[str]) -> list[int]:
    """The services whose containers these runs are: they may go on."""
    found = [int(key.partition("-")[0]) for key in keys]
    owners = Container.all_objects.filter(environment=environment_id, pk__in=found).exclude(spread_key="")
    uuids = set(owners.values_list("spread_key", flat=True))
    return sorted(Service.all_objects.filter(uuid__in=uuids).values_list("pk", flat=True)) if uuids else []


def serves(container: Container) -> bool:
    """Whether a balancer's container does its work, as far as is known: one that does not finds nobody."""
    works = container.display_state == "running" and container.health in {"", "healthy"}
    return works and not is_leaving(container)
