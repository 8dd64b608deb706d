"""The hosts and containers of an environment as the pure scheduler takes them."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from threading import Lock
from uuid import UUID

from django.db.models import Count, Q, QuerySet

from apps.containers.models import Container
from apps.containers.port_holders import holder_in_words
from apps.containers.published_ports import numbers_by_host
from apps.containers.selectors import Counts, HostUse, counts_by_host
from apps.environments.models import TenantRow
from apps.hosts.fleet import Fleet, HostPort, HostView, Neighbour
from apps.hosts.models import Host

BATCH = 500
_HOST_COLUMNS = (
    "name", "hostname", "url", "display_state", "labels", "engine_labels", "info", "memory_limit", "milli_cpu_limit",
)  # fmt: skip
MAX_CACHED_LABELS = 4096
PortsByHost = defaultdict[int, dict[HostPort, str]]
LabelKey = tuple[UUID, int]  # numbers of rows are given again after a database was restored
_labels_cache: OrderedDict[LabelKey, Mapping[str, str]] = OrderedDict()
_labels_lock = Lock()


def read_fleet(
    environment_id: int,
    hosts: Iterable[Host],
    counts: Counts,
    *,
    with_ports: bool,
    with_neighbours: bool,
    but_those_of: Collection[str] = (),
) -> Fleet:
    """The hosts as they are now; ports and the containers there only for whom they matter.

    `but_those_of` are the spread keys of containers whose ports count as free.
    """
    ports = _ports_by_host(environment_id, but_those_of) if with_ports else {}
    neighbours = _neighbours(environment_id) if with_neighbours else []
    return Fleet((host_view(host, counts, ports) for host in hosts), neighbours)


def schedulable_hosts(environment_id: int) -> QuerySet[Host]:
    """The hosts of an environment with the columns that `host_view` reads: each placement reads all of them."""
    rows: QuerySet[Host] = Host.all_objects.filter(environment=environment_id, removed=None)
    return rows.only(*_HOST_COLUMNS)


def host_view(host: Host, counts: Counts, ports: Mapping[int, Mapping[HostPort, str]]) -> HostView:
    """One host as the scheduler sees it."""
    held = ports.get(host.pk, {})
    use = counts.get(host.pk, HostUse())
    return HostView(
        id=host.pk,
        name=str(host),
        state=host.display_state,
        labels=host.all_labels,
        ports_used=frozenset(held),
        port_holders={(port, protocol): name for (_address, port, protocol), name in held.items()},
        containers=use.containers,
        memory=host.reservable_memory,
        milli_cpu=host.reservable_milli_cpu,
        reserved_memory=use.memory,
        reserved_milli_cpu=use.milli_cpu,
    )


@dataclass(frozen=True, slots=True)
class FleetSnapshot:
    """Everything that placements of an environment are decided from; `spread` is by spread key and host."""

    hosts: tuple[HostView, ...]
    neighbours: tuple[Neighbour, ...]
    spread: Mapping[str, Mapping[int, int]]


def read_snapshot(environment_id: int, *, starting: Collection[int] = ()) -> FleetSnapshot:
    """The environment as it is now, in a constant number of queries.

    `starting` are the keys of stopped containers that are to run: they hold their places as those that run do.
    """
    counts = counts_by_host(environment_id, starting=starting)
    ports = _ports_by_host(environment_id, starting=starting)
    hosts = schedulable_hosts(environment_id)
    spread: dict[str, dict[int, int]] = defaultdict(dict)
    rows = Container.all_objects.filter(environment=environment_id, removed=None, host__isnull=False)
    rows = rows.exclude(desired="removed").exclude(spread_key="")
    for key, host, count in rows.values_list("spread_key", "host").annotate(count=Count("pk")).order_by():
        spread[key][host] = count
    views = tuple(host_view(host, counts, ports) for host in hosts)
    return FleetSnapshot(views, tuple(_neighbours(environment_id, starting)), spread)


def own_labels(row: Container) -> dict[str, str]:
    """The labels that a container has on its engine, those of its owner included."""
    return {**row.config.labels, **row.tags}


def _occupants(environment_id: int, starting: Collection[int] = ()) -> QuerySet[Container]:
    """What holds its place on a host; a stopped one gives way, such as one that an upgrade keeps for a rollback.

    Those of the keys in `starting` hold theirs, stopped or not.
    """
    rows: QuerySet[Container] = Container.all_objects.filter(
        environment=environment_id, removed=None, host__isnull=False
    )
    rows = rows.exclude(desired__in=("removed", "purged"))
    return rows.exclude(~Q(pk__in=starting), desired="stopped") if starting else rows.exclude(desired="stopped")


def _ports_by_host(
    environment_id: int, but_those_of: Collection[str] = (), *, starting: Collection[int] = ()
) -> PortsByHost:
    """The ports that containers of the environment hold or will hold, per host, each with who that is.

    Theirs, and those chosen for them; `but_those_of` leaves out containers with these spread keys.
    """
    found: PortsByHost = defaultdict(dict)
    rows = _occupants(environment_id, starting).exclude(fixed_ports=[])
    if but_those_of:
        rows = rows.exclude(spread_key__in=but_those_of)
    for host_id, ports, name, tags in rows.values_list("host", "fixed_ports", "name", "tags"):
        found[host_id].update(dict.fromkeys(((p[0], p[1], p[2]) for p in ports), holder_in_words(name, tags)))
    for host_id, number, protocol, name, tags in numbers_by_host(environment_id, but_those_of, starting=starting):
        found[host_id]["", number, protocol] = holder_in_words(name, tags)
    return found


def _neighbours(environment_id: int, starting: Collection[int] = ()) -> list[Neighbour]:
    """The containers that rules can ask for, with their labels."""
    rows = _occupants(environment_id, starting).order_by("pk")
    found = list(rows.values_list("uuid", "generation", "host", "name", "tags"))
    labels = stored_labels(Container, [(uuid, generation) for uuid, generation, *_rest in found])
    return [
        Neighbour(host, name, str(uuid), {**labels.get((uuid, generation), {}), **tags})
        for uuid, generation, host, name, tags in found
    ]


def stored_labels(kind: type[TenantRow], keys: Iterable[LabelKey]) -> dict[LabelKey, Mapping[str, str]]:
    """The labels of the launch configurations (`spec`) of rows of a kind, by row and generation.

    They are encrypted with the rest of the configuration: to decrypt a thousand takes long, and each placement of a
    service that is scaled up, and each look of a selector, would ask for them again.
    """
    wanted = list(keys)
    with _labels_lock:
        known = {key: _labels_cache[key] for key in wanted if key in _labels_cache}
    missing = [uuid for uuid, generation in wanted if (uuid, generation) not in known]
    for at in range(0, len(missing), BATCH):
        rows = kind.all_objects.filter(uuid__in=missing[at : at + BATCH])
        for uuid, generation, spec in rows.values_list("uuid", "generation", "spec"):
            known[uuid, generation] = {str(k): str(v) for k, v in (spec.get("labels") or {}).items()}
    with _labels_lock:
        _labels_cache.update(known)
        while len(_labels_cache) > MAX_CACHED_LABELS:
            _labels_cache.popitem(last=False)
    return known
