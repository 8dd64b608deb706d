"""What hangs on something that is about to be deleted, in a constant number of queries; no engine is asked.

Sizes of volumes are None where nobody has measured them: only an engine knows, and asking takes it seconds.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone

from apps.containers.models import Container
from apps.containers.selectors import endpoints
from apps.control.models import PENDING_STATES, Operation
from apps.core.models import Managed
from apps.environments.models import Environment, OpenSocket
from apps.hosts.models import Host
from apps.stacks.kept_containers import kept_containers
from apps.stacks.members import links_by_selector
from apps.stacks.models import Service, ServiceLink, ServiceMember, ServiceRun, Stack
from apps.stacks.run_plan import LIVE
from apps.stacks.service_options import ALIAS, BALANCER
from apps.stacks.sidekicks import PRIMARY
from apps.stacks.webhooks.models import DeployWebhook
from apps.stacks.what_if import what_if_scaled
from apps.volumes.selectors import sizes_on

UNNAMED_LENGTH = 64  # an engine names a volume that nobody named by 64 hexadecimal digits
_ON_ITS_WAY = ("removed", "purged")
_HEAVY = ("spec", "placement", "tags", "host__tls", "host__info", "host__engine_labels")


@dataclass(frozen=True, slots=True)
class IncomingLink:
    """A service that stays and links to one that goes, under `name`."""

    service: str
    stack: str
    name: str


@dataclass(frozen=True, slots=True)
class LostPort:
    """A published port that answers no longer."""

    address: str
    port: int
    protocol: str


@dataclass(frozen=True, slots=True)
class MountedVolume:
    """A volume of a container that goes; `is_kept` says whether it stays on its host, `size` is in bytes."""

    name: str
    host: str
    is_kept: bool
    size: int | None = None


@dataclass(frozen=True, slots=True)
class PendingWork:
    """An operation that has not ended, by its name and what it is about."""

    key: int
    name: str
    target: str


@dataclass(frozen=True, slots=True)
class RemovalPreview:
    """Everything that goes, or loses something, together with what is deleted.

    `kept` are those of `containers` and `sidekicks` that are old, and kept for a rollback: their names.
    `selectors` are services that stay whose selector of containers finds some of these.
    `services` have the number of their containers, `runs` are those under way of scheduled services, by the service.
    `must_type_name`: so much hangs on it that a click is not enough.
    """

    stacks: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    services: tuple[tuple[str, int], ...] = ()
    containers: tuple[str, ...] = ()
    sidekicks: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    links: tuple[IncomingLink, ...] = ()
    aliases: tuple[IncomingLink, ...] = ()
    balancers: tuple[str, ...] = ()
    selectors: tuple[str, ...] = ()
    ports: tuple[LostPort, ...] = ()
    volumes: tuple[MountedVolume, ...] = ()
    operations: tuple[PendingWork, ...] = ()
    upgrades: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()
    webhooks: tuple[str, ...] = ()
    shells: int = 0
    log_streams: int = 0
    must_type_name: bool = False


def removal_preview(row: Managed) -> RemovalPreview:
    """What hangs on a stack, service, container, host or environment."""
    if isinstance(row, Stack):
        return _preview_stack(row)
    if isinstance(row, Service):
        return _preview_services([row], list(_containers(spread_key=str(row.uuid))))
    if isinstance(row, Container):
        return _of_containers(list(_containers(pk=row.pk)))
    if isinstance(row, Host):
        return _preview_host(row)
    if isinstance(row, Environment):
        return _preview_environment(row)
    return RemovalPreview()


def scale_down_preview(row: Service, scale: Any) -> RemovalPreview:
    """What goes with the containers that a smaller scale removes. Raises `Invalid` for a scale it cannot have."""
    names = [move.container for move in what_if_scaled(row, scale).removed]
    units = Container.all_objects.filter(spread_key=str(row.uuid), name__in=names, removed=None)
    mates = Q(name__in=names) | Q(deployment_unit__in=units.exclude(deployment_unit="").values("deployment_unit"))
    return _of_containers(list(_containers(mates, spread_key=str(row.uuid))))


def _of_containers(rows: Sequence[Container], **more: Sequence[int]) -> RemovalPreview:
    """What goes with these containers, and the pending operations on them and on the rows of other kinds in `more`."""
    rows = sorted(rows, key=lambda each: _counted(each.name))
    keys = [each.pk for each in rows]
    shells, log_streams = _open_streams(Q(kind="container", target__in=keys))
    kept = _kept(rows)
    return RemovalPreview(
        containers=tuple(each.name for each in rows if each.launch_name in {"", PRIMARY}),
        sidekicks=tuple(each.name for each in rows if each.launch_name not in {"", PRIMARY}),
        kept=tuple(each.name for each in rows if each.pk in kept),
        ports=_ports(rows),
        volumes=_volumes(rows),
        selectors=_selectors(keys, more.get("service", ())),
        operations=_pending({"container": keys, **more}),
        runs=_runs(keys, more.get("service", ())),
        shells=shells,
        log_streams=log_streams,
    )


def _kept(rows: Iterable[Container]) -> Collection[int]:
    """The containers of services that are kept for a rollback; three queries at most."""
    keys = {each.spread_key for each in rows if each.spread_key and each.desired == "stopped"}
    services = Service.all_objects.filter(uuid__in=keys, removed=None) if keys else ()
    return kept_containers(services)


def _selectors(containers: Sequence[int], services: Sequence[int]) -> tuple[str, ...]:
    """The services, but these, of which containers are members by a selector."""
    rows = ServiceMember.objects.filter(container__in=containers, managed=False, service__removed=None)
    rows = rows.exclude(service__in=services).order_by("service__stack__name", "service__name")
    names = rows.values_list("service__stack__name", "service__name").distinct()
    return tuple(f"{stack}/{service}" for stack, service in names)


def _runs(containers: Sequence[int], services: Sequence[int]) -> tuple[str, ...]:
    found = ServiceRun.objects.filter(Q(container__in=containers) | Q(service__in=services), state__in=LIVE)
    return tuple(found.order_by("service__name", "pk").values_list("service__name", flat=True))


def _counted(name: str) -> list[tuple[int, str]]:
    """The key that puts `web_2` before `web_10`."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"([0-9]+)", name)]


def _containers(*conditions: Q, **columns: Any) -> QuerySet[Container]:
    rows: QuerySet[Container] = Container.all_objects.filter(*conditions, removed=None, **columns)
    return rows.exclude(desired__in=_ON_ITS_WAY).select_related("host").defer(*_HEAVY).order_by("name")


def _preview_stack(row: Stack) -> RemovalPreview:
    services = list(Service.all_objects.filter(stack=row, removed=None).defer("spec", "secondary").order_by("name"))
    rows = _containers(spread_key__in=[str(each.uuid) for each in services])
    found = _preview_services(services, list(rows), stack=[row.pk])
    return replace(found, must_type_name=bool(found.volumes))


def _preview_services(services: Sequence[Service], rows: Sequence[Container], **more: Sequence[int]) -> RemovalPreview:
    keys = [each.pk for each in services]
    links, aliases, balancers = _incoming(services)
    counts = Counter(each.spread_key for each in rows)
    return replace(
        _of_containers(rows, service=keys, **more),
        services=tuple((each.name, counts[str(each.uuid)]) for each in services),
        links=links,
        aliases=aliases,
        balancers=balancers,
        webhooks=_webhooks(keys),
        upgrades=(*(each.name for each in services if each.upgrade_phase), *_handing_over(keys)),
    )


def _handing_over(keys: Collection[int]) -> Iterable[str]:
    """The services that stay and hand over to some of these: they take back what they had."""
    rows = Service.all_objects.filter(upgrade_target__in=keys, removed=None).exclude(pk__in=keys)
    return rows.order_by("name", "pk").values_list("name", flat=True)


def _webhooks(services: Collection[int]) -> tuple[str, ...]:
    """The deploy webhooks of services, by the service."""
    rows = DeployWebhook.all_objects.filter(service__in=services, removed=None).order_by("service__name", "name", "pk")
    return tuple(f"{service}: {name}" for service, name in rows.values_list("service__name", "name"))


def _preview_host(row: Host) -> RemovalPreview:
    """A host's containers and volumes stay on it; what is lost is that they are seen and kept going here."""
    rows = list(_containers(host=row))
    found = _of_containers(rows, host=[row.pk])
    return replace(
        found,
        volumes=tuple(dict.fromkeys(replace(volume, is_kept=True) for volume in found.volumes)),
        services=tuple(sorted(Counter(_service_names(rows)).items())),
        must_type_name=bool(rows),
    )


def _service_names(rows: Iterable[Container]) -> list[str]:
    keys = [each.spread_key for each in rows if each.spread_key]
    found = Service.all_objects.filter(uuid__in=set(keys), removed=None).values_list("uuid", "stack__name", "name")
    names = {str(uuid): f"{stack}/{name}" for uuid, stack, name in found}
    return [names[key] for key in keys if key in names]


def _preview_environment(row: Environment) -> RemovalPreview:
    stacks = Stack.all_objects.filter(environment=row.pk, removed=None)
    hosts = Host.all_objects.filter(environment=row.pk, removed=None).order_by("name")
    found = _of_containers(list(_containers(environment=row.pk)))
    pending = Operation.all_objects.filter(environment=row.pk, state__in=PENDING_STATES)
    shells, log_streams = _open_streams(Q(environment=row.pk))
    return replace(
        found,
        stacks=tuple(stacks.order_by("name").values_list("name", flat=True)),
        hosts=tuple(hosts.values_list("name", flat=True)),
        operations=_work(pending),
        shells=shells,
        log_streams=log_streams,
        must_type_name=True,
    )


def _incoming(
    services: Sequence[Service],
) -> tuple[tuple[IncomingLink, ...], tuple[IncomingLink, ...], tuple[str, ...]]:
    """Links, aliases and balancers of services that stay which lead to these, or will by a selector."""
    keys = [each.pk for each in services]
    rows = ServiceLink.objects.filter(target__in=keys, service__removed=None).exclude(service__in=keys)
    columns = ("service__name", "service__stack__name", "name", "service__kind")
    found = list(rows.order_by("service__name", "name").values_list(*columns))
    linked = {(service, stack) for service, stack, _name, _kind in found}
    environment = services[0].environment_id if services else None
    found += [
        (each.name, each.stack.name, target.name, each.kind)
        for each, target in links_by_selector(environment, services)
        if (each.name, each.stack.name) not in linked
    ]
    links, aliases, balancers = list[IncomingLink](), list[IncomingLink](), dict[str, None]()
    for service, stack, name, kind in found:
        if kind == BALANCER:
            balancers[f"{stack}/{service}"] = None
        else:
            (aliases if kind == ALIAS else links).append(IncomingLink(service, stack, name))
    return tuple(links), tuple(aliases), tuple(balancers)


def _ports(rows: Iterable[Container]) -> tuple[LostPort, ...]:
    found = {
        LostPort(port["ipAddress"], port["port"], port["protocol"]): None for row in rows for port in endpoints(row)
    }
    return tuple(found)


def _volumes(rows: Sequence[Container]) -> tuple[MountedVolume, ...]:
    """The volumes that the engines reported: unnamed ones go with their container, named ones stay on the host."""
    found: dict[MountedVolume, None] = {}
    sizes = _sizes(rows)
    for row in rows:
        for mount in row.engine_state.get("mounts", []):
            if mount["kind"] == "volume":
                name = mount.get("name", "")
                is_kept = len(name) != UNNAMED_LENGTH
                shown = name if is_kept else f"{row.name}:{mount['target']}"
                found[MountedVolume(shown, str(row.host or ""), is_kept, sizes.get((row.host_id, name)))] = None
    return tuple(found)


def _sizes(rows: Sequence[Container]) -> Mapping[tuple[int | None, str], int]:
    """The bytes in the volumes of these containers that were measured, by host and name; one query for all."""
    names = {mount.get("name", "") for row in rows for mount in row.engine_state.get("mounts", [])} - {""}
    return sizes_on(names, {row.host_id for row in rows if row.host_id}) if names else {}


def _pending(targets: Mapping[str, Sequence[int]]) -> tuple[PendingWork, ...]:
    wanted = Q(pk__in=())
    for kind, keys in targets.items():
        wanted |= Q(kind=kind, target__in=keys)
    return _work(Operation.all_objects.filter(wanted, state__in=PENDING_STATES))


def _work(rows: QuerySet[Operation]) -> tuple[PendingWork, ...]:
    return tuple(PendingWork(*each) for each in rows.order_by("pk").values_list("pk", "name", "target_name"))


def _open_streams(condition: Q) -> tuple[int, int]:
    """How many shells and log streams are open."""
    alive = OpenSocket.objects.filter(condition, seen__gt=timezone.now() - OpenSocket.STALE)
    counts = Counter(alive.filter(verb__in=("exec", "logs")).values_list("verb", flat=True))
    return counts["exec"], counts["logs"]
