"""Published ports without a number: the number that the portal chooses for them on a host, and who keeps it.

An engine would choose another one at each start. What takes a container's place takes its numbers too; only where
something else has one on the host that it comes to is another chosen.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from apps.containers.launch.config import LaunchConfig
from apps.containers.launch.values import Port
from apps.containers.managed_network import NotYet
from apps.containers.models import Container, PublishedPort
from apps.containers.port_holders import holder_of, ports_in_use
from apps.containers.port_numbers import choose_number, without_number
from apps.containers.timeline import record_event
from apps.core.result import ReconcileResult
from apps.drivers.base import EngineContainer, EngineRefused
from apps.environments.models import Environment
from apps.network.environment_networks import network_of
from apps.network.port_range import ends_of

PORT_EVENT = "port"
REFUSED_PORTS = "refused_ports"  # in a container's status: [number, protocol] that its engine could not publish
LEAVING_WAIT = timedelta(seconds=30)


class PortNotYet(NotYet):
    """What had the number before is being stopped."""


def with_host_ports(row: Container, config: LaunchConfig) -> LaunchConfig:
    """The configuration with a number of the host for each port that is published without one.

    Raises `PortNotYet` while the predecessor gives one up, and `EngineRefused` where none is free.
    """
    wanted = dict(without_number(config.published))
    if not wanted:
        return config
    numbers = _claim(row, wanted)
    keys = {id(port): key for key, port in wanted.items()}
    ports = (
        replace(port, public=numbers[keys[id(port)]], choice=None) if id(port) in keys else port
        for port in config.ports
    )
    return replace(config, ports=tuple(ports))


def _place_of(row: Container) -> str:
    return row.slot_key or str(row.uuid)


def _claim(row: Container, wanted: Mapping[str, Port]) -> dict[str, int]:
    """One claim at a time per environment, as placements, so that nobody takes the same number."""
    with transaction.atomic():
        Environment.objects.select_for_update(no_key=True).get(pk=row.environment_id)
        rows = PublishedPort.objects.filter(Q(container=row) | Q(place=_place_of(row))).select_related("container")
        known = sorted(rows, key=lambda each: (each.container_id == row.pk, each.host_id == row.host_id, each.pk))
        return {
            key: _number_for(row, key, port, [each for each in known if each.published == key])
            for key, port in wanted.items()
        }


def _number_for(row: Container, key: str, port: Port, known: list[PublishedPort]) -> int:
    """Its number on the row's host; the last one of `known` is what it had, or its predecessor."""
    last = known[-1] if known else None
    refused = {number for number, protocol in row.status.get(REFUSED_PORTS) or () if protocol == port.protocol}
    if last is not None and last.host_id == row.host_id and last.number not in refused and _may_take(row, last):
        if last.container_id != row.pk:
            PublishedPort.objects.filter(pk=last.pk).update(container=row)
        return last.number
    given_up = last if last is not None and last.container_id in {None, row.pk} else None  # else it is in use
    number = _choose(row, port, last, given_up, refused)
    if given_up is not None:
        PublishedPort.objects.filter(pk=given_up.pk).delete()
    PublishedPort.objects.create(
        environment_id=row.environment_id,
        host_id=row.host_id or 0,
        protocol=port.protocol,
        number=number,
        place=_place_of(row),
        published=key,
        container=row,
    )
    if last is not None and number != last.number:
        _record_other_number(row, port, last, number)
    return number


def _choose(
    row: Container, port: Port, last: PublishedPort | None, given_up: PublishedPort | None, refused: set[int]
) -> int:
    """The number of `last` where that is free. Raises `EngineRefused` where none is."""
    taken = ports_in_use(row, port.protocol, besides=given_up)
    choice = port.choice or ends_of(network_of(row.environment_id).port_range)
    number = choose_number(choice, taken, last.number if last is not None else None, refused)
    if number is None:
        idle = PublishedPort.objects.filter(host=row.host_id, protocol=port.protocol, container=None)
        allowed = {each.number for each in idle.exclude(number__in=refused)}
        number = choose_number(choice, taken - allowed, None, refused)
        if number is not None:
            idle.filter(number=number).delete()
    if number is None:
        why = f"no port from {choice[0]} to {choice[1]} is free on {row.host} for {port}"
        raise EngineRefused(f"{why}: remove containers that publish ports there, or publish it on a port of your own.")
    return number


def _may_take(row: Container, held: PublishedPort) -> bool:
    """Whether the number is the row's, or its predecessor has no use for it any more.

    Raises `PortNotYet` while that is about to end; one that takes very long is not waited for.
    """
    other: Container | None = held.container
    if other is None or other.pk == row.pk or other.removed is not None:
        return True
    if other.desired == "running":
        return False
    if not other.external_id or other.display_state in {"stopped", "error"}:
        return True
    if timezone.now() - row.created > LEAVING_WAIT:
        return False
    raise PortNotYet(f"Waits for {other.name} to give up port {held} of {row.host}.")


def _record_other_number(row: Container, port: Port, last: PublishedPort, number: int) -> None:
    """The number that people may have written down is another one now."""
    holder = holder_of(row, last.number, port.protocol) or "something else"
    what = f"{port.private}/{port.protocol} is published on port {number} of {row.host}"
    record_event(row, PORT_EVENT, f"{what}, not {last.number} any more, which {holder} uses there.")


def reclaim_ports(row: Container, seen: EngineContainer | None) -> None:
    """Note again which numbers a container uses that is started once more, such as after a rollback.

    Its engine refuses the start where something else has one by now.
    """
    wanted = dict(without_number(row.config.published)) if seen is not None else {}
    if seen is None or not wanted:
        return
    known = set(PublishedPort.objects.filter(container=row).values_list("published", flat=True))
    bindings = (seen.raw.get("HostConfig") or {}).get("PortBindings") or {}
    for key, port in wanted.items():
        numbers = [str(each.get("HostPort") or "") for each in bindings.get(f"{port.private}/{port.protocol}") or ()]
        if key not in known and len(numbers) == 1 and numbers[0].isdecimal():
            _note_number(row, key, port, int(numbers[0]))


def _note_number(row: Container, key: str, port: Port, number: int) -> None:
    with transaction.atomic():
        Environment.objects.select_for_update(no_key=True).get(pk=row.environment_id)
        rows = PublishedPort.objects.filter(host=row.host_id, protocol=port.protocol, number=number)
        held = rows.select_related("container").first()
        columns: dict[str, Any] = {"container": row, "place": _place_of(row), "published": key}
        if held is None:
            shared = {"environment_id": row.environment_id, "host_id": row.host_id}
            PublishedPort.objects.create(number=number, protocol=port.protocol, **shared, **columns)
        elif held.container is None or held.container.desired != "running":
            rows.update(**columns)


def note_removed(row: Container, result: ReconcileResult) -> None:
    """Give the numbers back with the container; a slot of a service keeps them for the next one."""
    if result.state not in {"removed", "purged"}:
        return
    for each in PublishedPort.objects.filter(container=row):
        same = PublishedPort.objects.filter(place=each.place, published=each.published, container__isnull=False)
        if row.slot_key and not same.exclude(pk=each.pk).exists():
            PublishedPort.objects.filter(pk=each.pk).update(container=None)
        else:
            PublishedPort.objects.filter(pk=each.pk).delete()


def release_places(prefix: str) -> None:
    """Give up the numbers of places that are gone."""
    PublishedPort.objects.filter(place__startswith=prefix).delete()


def numbers_by_host(
    environment_id: int, but_those_of: Collection[str] = (), *, starting: Collection[int] = ()
) -> Iterable[tuple[int, int, str, str, dict[str, str]]]:
    """The numbers that containers use which hold their place on a host: host, number, protocol, name, labels.

    `but_those_of` leaves out containers with these spread keys; those of the keys in `starting` count though stopped.
    """
    rows = PublishedPort.objects.filter(environment=environment_id, container__removed=None, container__isnull=False)
    rows = rows.exclude(container__desired__in=("removed", "purged"))
    rows = rows.exclude(~Q(container__in=starting), container__desired="stopped")
    rows = rows.exclude(container__spread_key__in=but_those_of) if but_those_of else rows
    return rows.values_list("host", "number", "protocol", "container__name", "container__tags")
