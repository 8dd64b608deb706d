"""Services on hosts that are draining or lost: which containers have to leave, and what they wait for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from django.db.models import Q
from django.utils import timezone

from apps.containers.managed_network import waits_for_address
from apps.containers.models import Container
from apps.containers.selectors import ended_filter
from apps.control.queue import enqueue
from apps.core.result import ReconcileResult
from apps.core.texts import labeled
from apps.hosts.models import Host
from apps.hosts.selectors import lost_since, reschedules_at
from apps.hosts.workloads import DrainProgress
from apps.stacks.balancer.finding import AWAITED
from apps.stacks.health import DEGRADED, UNHEALTHY, UNKNOWN, Unit
from apps.stacks.models import Service, ServiceRun, Slot
from apps.stacks.plan import SlotView
from apps.stacks.readiness import ReadyRule, is_ready
from apps.stacks.run_plan import WITH_CONTAINER

LOST_HOST_RECHECK = 20.0  # seconds between reconciles of a service with containers on a lost host


def slot_view(slot: Slot, lost_after: int | None, rule: ReadyRule) -> SlotView:
    """The slot as the plan sees it; its container and successor must have been read together with their hosts.

    `rule` says when a successor takes over.
    """
    container, successor = slot.container, slot.successor
    if successor is not None and (successor.removal_requested or successor.removed is not None):
        successor = None
    return SlotView(
        slot.number,
        container.pk if container else None,
        container.desired if container else "",
        container.display_state if container else "",
        is_finished=container is not None and container.is_finished,
        must_leave=container is not None and must_leave_host(container, lost_after),
        successor=successor.pk if successor else None,
        successor_ready=successor is not None and (waits_for_address(successor) or is_ready(successor, rule)),
        is_ready=container is not None and is_ready(container, rule),
        successor_must_leave=successor is not None and must_leave_host(successor, lost_after),
    )


def unit_of(container: Container) -> Unit:
    """What the health of a service is decided from; the container must have been read together with its host."""
    host = container.host
    return Unit(
        container.display_state,
        container.health,
        is_failing=container.fault or container.is_crash_looping,
        is_lost=host is not None and host.lost_at is not None,
        is_over=container.is_finished,
        has_failed=container.has_failed_for_good,
    )


def must_leave_host(container: Container, lost_after: int | None, now: datetime | None = None) -> bool:
    """Whether the container has to be replaced on another host: its own is draining, or was given up."""
    if container.is_finished:  # moving a job would mean to run it again
        return False
    return is_host_left(container.host, lost_after, now)


def is_host_left(host: Host | None, lost_after: int | None, now: datetime | None = None) -> bool:
    """Whether nothing of a service is to stay on the host: it is draining, or was given up."""
    if host is None:
        return False
    due = reschedules_at(host, lost_after)
    return host.is_draining or (due is not None and due <= (now or timezone.now()))


def drain_services(host: Host) -> DrainProgress:
    """Requeue the services with containers on the host, and return how many of these are left."""
    left = Container.all_objects.filter(host=host, removed=None, keep_running=True)
    left = left.exclude(ended_filter())
    slots = Slot.objects.filter(container__in=left.exclude(desired="removed")).select_related("successor")
    waits = [
        labeled(slot.successor.name, slot.successor.message) for slot in slots if slot.successor and _is_waiting(slot)
    ]
    # Sidekicks, and what an upgrade keeps for a rollback, are in no slot's `container`.
    services = set(left.exclude(desired="removed").values_list("spread_key", flat=True)) - {""}
    for row in Service.all_objects.filter(uuid__in=services).only("pk", "name", "status", "message").order_by("pk"):
        enqueue("service", row.pk)
        waits += [labeled(row.name, row.message)] if row.status.get(AWAITED) else []
    runs = ServiceRun.objects.filter(container__host=host, state__in=WITH_CONTAINER)
    names = list(runs.values_list("container__name", flat=True))
    waits += [f"{name} is a run of a scheduled service, and ends by itself" for name in names]
    return DrainProgress(left.count() + len(names), tuple(dict.fromkeys(waits)))


def _is_waiting(slot: Slot) -> bool:
    successor = slot.successor
    return successor is not None and successor.display_state != "running" and bool(successor.message)


def with_lost_host_message(result: ReconcileResult, slots: Iterable[Slot], lost_after: int | None) -> ReconcileResult:
    """The result of a service, with a message about its lost hosts, and due again when one is given up."""
    hosts = {
        slot.container.host for slot in slots if slot.container is not None and not slot.container.removal_requested
    }
    lost = sorted((host for host in hosts if host is not None and host.lost_at is not None), key=lambda host: host.pk)
    if not lost or result.state not in {"active", "inactive"}:
        return result
    now = timezone.now()
    text = "; ".join(
        [*[result.message] * bool(result.message), *(lost_host_message(host, lost_after, now) for host in lost)]
    )
    dues = [due for host in lost if (due := reschedules_at(host, lost_after)) is not None]
    left = [max(0.5, (due - now).total_seconds()) for due in dues]
    return replace(
        result, message=text, requeue_after=min([*left, result.requeue_after or LOST_HOST_RECHECK, LOST_HOST_RECHECK])
    )


def lost_host_message(host: Host, lost_after: int | None, now: datetime | None = None) -> str:
    """What is going to happen to containers on a lost host, for a person."""
    since, due = lost_since(host), reschedules_at(host, lost_after)
    message = f"{host} lost since {since:%H:%M} UTC" if since else f"{host} lost"
    if due is None:
        return f"{message}; waiting for it"
    left = (due - (now or timezone.now())).total_seconds()
    return f"{message}; rescheduling in {left:.0f} s" if left > 0 else f"{message}; rescheduling"


def service_ids_on(host: Host) -> list[int]:
    """The services that have containers on the host."""
    rows = Service.all_objects.filter(slots__container__host=host, removed=None)
    return sorted(set(rows.values_list("pk", flat=True)))


def requeue_services_of_lost_host(host: Host) -> None:
    """Requeue the services that do not show yet that the host does not answer, or are not due soon anyway."""
    late = Q(next_attempt_at=None) | Q(next_attempt_at__gt=timezone.now() + timedelta(seconds=LOST_HOST_RECHECK + 5))
    late |= Q(desired="active") & ~Q(status__health__in=(UNKNOWN, DEGRADED, UNHEALTHY))
    for key in Service.all_objects.filter(late, pk__in=service_ids_on(host)).values_list("pk", flat=True):
        enqueue("service", key)


def services_of_returned_host(row: Host) -> Iterable[tuple[str, int]]:
    """The services to requeue when a host came back, or is no longer draining."""
    if row.display_state in {"active", "inactive"}:
        return []
    return [("service", key) for key in service_ids_on(row)]
