"""The fixed host ports of what is to run again, such as after a rollback: who has them on its host by now."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from apps.containers.launch.kind_labels import is_global
from apps.containers.models import Container
from apps.containers.port_numbers import shared_port
from apps.stacks.models import Service, Slot
from apps.stacks.plan import SlotView
from apps.stacks.upgrade import UPGRADING

Ports = set[tuple[str, int, str]]


def with_ports(row: Service, slots: Sequence[Slot], views: Sequence[SlotView]) -> list[SlotView]:
    """The slots with what fixed ports mean for a rollback: which kept containers cannot start where they are.

    One query, and none for a service without fixed ports. Containers that are tied to their host, by a deployment
    unit or a rule about hosts, are left to wait for the port there, after all others: made again they would have to
    wait as well.
    """
    by_number = {slot.number: slot for slot in slots}
    concerned = [slot for slot in slots if any(map(_ports_of, (slot.previous, slot.successor)))]
    if not concerned or not row.has_containers:
        return list(views)
    holders = _holders(concerned)
    return [_with_ports(row, by_number[view.number], view, holders) for view in views]


def _with_ports(row: Service, slot: Slot, view: SlotView, holders: dict[int, list[Container]]) -> SlotView:
    own = {each.pk for each in (slot.container, slot.successor, slot.previous) if each is not None}
    successor, is_free = slot.successor, not _is_tied(row)
    is_blocked = view.previous_is_current and _is_blocked(slot.previous, holders, own)
    if row.secondary or is_global(row.config):
        return replace(view, previous_waits_for_port=is_blocked)
    is_stuck = successor is not None and successor.fault and _is_blocked(successor, holders, own)
    return replace(
        view,
        previous_is_blocked=is_blocked and is_free,
        previous_waits_for_port=is_blocked and not is_free,
        successor_is_outdated=view.successor_is_outdated or (view.is_outdated and is_free and is_stuck),
        successor_waits_for_port=view.successor is not None and _waits_for_own(row, slot),
    )


def _is_tied(row: Service) -> bool:
    """Whether the service's containers are for the hosts that they are on, and no others."""
    return bool(row.secondary or is_global(row.config) or row.config.requested_host_id is not None)


def _waits_for_own(row: Service, slot: Slot) -> bool:
    """Whether what is to take over needs the port of the one that it replaces.

    It is on that one's host; or, unless people asked in an upgrade that it start first, it finds no host at all.
    """
    successor, container = slot.successor, slot.container
    if successor is None or container is None or not shared_port(_ports_of(successor), _ports_of(container)):
        return False
    if successor.host_id is None:
        return successor.fault and row.upgrade_phase != UPGRADING
    return successor.host_id == container.host_id


def _holders(slots: Iterable[Slot]) -> dict[int, list[Container]]:
    """What is to run on the hosts of the kept containers and successors, with fixed ports: what leaves gives way."""
    hosts = {each.host_id for slot in slots for each in (slot.previous, slot.successor) if each is not None}
    rows = Container.all_objects.filter(host__in=hosts - {None}, removed=None, desired="running")
    rows = rows.exclude(fixed_ports=[])
    found = defaultdict[int, list[Container]](list)
    for each in rows.only("pk", "host_id", "fixed_ports"):
        found[each.host_id or 0].append(each)
    return found


def _is_blocked(container: Container | None, holders: dict[int, list[Container]], own: set[int]) -> bool:
    """Whether something besides the slot's own containers has one of its ports on its host."""
    if container is None or container.host_id is None:
        return False
    ports = _ports_of(container)
    others = (each for each in holders.get(container.host_id, ()) if each.pk not in own)
    return any(shared_port(ports, _ports_of(each)) for each in others)


def _ports_of(container: Container | None) -> Ports:
    return set() if container is None else {(each[0], each[1], each[2]) for each in container.fixed_ports or ()}
