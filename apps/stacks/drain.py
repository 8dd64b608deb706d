"""Services on hosts that are being emptied or are lost: whose container has to go, and what still waits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from django.db.models import Q
from django.utils import timezone

from apps.containers.models import Container
from apps.control.wake import send
from apps.core.result import Result
from apps.hosts.drain import Leaving
from apps.hosts.models import Host
from apps.hosts.selectors import gives_up_at, lost_since
from apps.stacks.models import Service, Slot
from apps.stacks.plan import SlotView

WATCHFUL = 20.0  # seconds between looks at a service that has containers on a lost host


def view(slot: Slot, lost_after: int | None) -> SlotView:
    """The slot as the plan sees it; its container and successor must have been read along with their hosts."""
    container, heir = slot.container, slot.successor
    if heir is not None and (heir.is_gone or heir.removed is not None):
        heir = None
    return SlotView(
        slot.number,
        container.pk if container else None,
        container.desired if container else "",
        container.shown if container else "",
        leaves=container is not None and must_go(container, lost_after),
        successor=heir.pk if heir else None,
        ready=heir is not None and heir.shown == "running" and heir.health in {"", "healthy"},
        stray=heir is not None and must_go(heir, lost_after),
    )


def must_go(container: Container, lost_after: int | None, now: datetime | None = None) -> bool:
    """Whether the container has to be replaced on another host: its own is being emptied, or given up for lost."""
    host = container.host
    if host is None:
        return False
    due = gives_up_at(host, lost_after)
    return host.is_draining or (due is not None and due <= (now or timezone.now()))


def leaving(host: Host) -> Leaving:
    """Have the services look at what they have on the host, and say what is left of it there."""
    left = Container.all_objects.filter(host=host, removed=None, kept=True)
    slots = Slot.objects.filter(container__in=left.exclude(desired="removed")).select_related("successor")
    waits = [f"{slot.successor.name}: {slot.successor.message}" for slot in slots if slot.successor and _waits(slot)]
    for key in sorted({slot.service_id for slot in slots}):
        send("service", key)
    return Leaving(left.count(), tuple(dict.fromkeys(waits)))


def _waits(slot: Slot) -> bool:
    heir = slot.successor
    return heir is not None and heir.shown != "running" and bool(heir.message)


def with_outlook(result: Result, slots: Iterable[Slot], lost_after: int | None) -> Result:
    """The sighting of a service, with a word about its lost hosts, and due again when one is given up."""
    hosts = {slot.container.host for slot in slots if slot.container is not None and not slot.container.is_gone}
    lost = sorted((host for host in hosts if host is not None and host.lost_at is not None), key=lambda host: host.pk)
    if not lost or result.state not in {"active", "inactive"}:
        return result
    now = timezone.now()
    text = "; ".join([*[result.message] * bool(result.message), *(outlook(host, lost_after, now) for host in lost)])
    dues = [due for host in lost if (due := gives_up_at(host, lost_after)) is not None]
    left = [max(0.5, (due - now).total_seconds()) for due in dues]
    return replace(result, message=text, again_in=min([*left, result.again_in or WATCHFUL, WATCHFUL]))


def outlook(host: Host, lost_after: int | None, now: datetime | None = None) -> str:
    """What is going to happen to containers on a lost host, for a person."""
    since, due = lost_since(host), gives_up_at(host, lost_after)
    told = f"{host} lost since {since:%H:%M} UTC" if since else f"{host} lost"
    if due is None:
        return f"{told}; waiting for it"
    left = (due - (now or timezone.now())).total_seconds()
    return f"{told}; rescheduling in {left:.0f} s" if left > 0 else f"{told}; rescheduling"


def services_on(host: Host) -> list[int]:
    """The services that have containers on the host."""
    rows = Service.all_objects.filter(slots__container__host=host, removed=None)
    return sorted(set(rows.values_list("pk", flat=True)))


def lost(host: Host) -> None:
    """Have the services that do not know yet notice that the host is silent; those that do look again soon."""
    late = Q(next_look=None) | Q(next_look__gt=timezone.now() + timedelta(seconds=WATCHFUL + 5))
    for key in Service.all_objects.filter(late, pk__in=services_on(host)).values_list("pk", flat=True):
        send("service", key)


def when_back(row: Host) -> Iterable[tuple[str, int]]:
    """The services to look at when a host came back, or stopped being emptied."""
    if row.shown in {"active", "inactive"}:
        return []
    return [("service", key) for key in services_on(row)]
