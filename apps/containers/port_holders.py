"""Who has a port of a host: containers that are known there, by what they ask for and by what their engine shows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from django.db.models import Q

from apps.containers.models import Container, PublishedPort
from apps.containers.port_numbers import shared_port
from apps.core.result import ReconcileResult

_RECHECK = 5.0  # seconds
_SERVICE_LABEL = "io.rancher.stack_service.name"


def wait_for_port(row: Container, step: str) -> ReconcileResult | None:
    """What to report instead of starting what is kept running while another one has a port of its; None if none has.

    Engines take a start that must fail for an error, and are asked for it again and again. Only what runs counts: two
    that are both to run must not wait for each other.
    """
    if step != "start" or not row.keep_running or not row.fixed_ports:
        return None
    running = Container.all_objects.filter(host=row.host_id, removed=None, display_state__in=("running", "stopping"))
    others = running.exclude(pk=row.pk).exclude(fixed_ports=[]).only("name", "tags", "fixed_ports").order_by("pk")
    for other in others.iterator():
        found = shared_port(row.fixed_ports, other.fixed_ports)
        if found:
            why = f"Waits for port {found} of {row.host}, which {describe_holder(other)} has."
            why = f"{why} Stop that, or publish another port."
            return ReconcileResult(row.display_state, row.status, why, _RECHECK, failed=row.attempts > 0)
    return None


def ports_in_use(row: Container, protocol: str, besides: PublishedPort | None) -> set[int]:
    """The numbers of the row's host that are in use or kept, but for one that the row gives up."""
    kept = PublishedPort.objects.filter(host=row.host_id, protocol=protocol)
    found = set((kept.exclude(pk=besides.pk) if besides is not None else kept).values_list("number", flat=True))
    found.update(number for _address, number, used in row.fixed_ports or () if used == protocol)
    for other in _others(row):
        found.update(number for number, used in _ports_of(other) if used == protocol)
    return found


def holder_of(row: Container, number: int, protocol: str) -> str:
    """The container on the row's host that has a port, in words; empty if none is known. `protocol` empty is any."""
    for other in _others(row):
        if any(found == number and protocol in {"", used} for found, used in _ports_of(other)):
            return describe_holder(other)
    kept = PublishedPort.objects.filter(host=row.host_id, number=number, container__removed=None)
    kept = kept.exclude(container=row).exclude(container=None).select_related("container")
    held = (kept.filter(protocol=protocol) if protocol else kept).first()
    return describe_holder(held.container) if held is not None and held.container is not None else ""


def describe_holder(holder: Container) -> str:
    """A container with its service, if it is a service's."""
    return holder_in_words(holder.name, holder.tags)


def holder_in_words(name: str, tags: Mapping[str, str] | None) -> str:
    """The same of its name and its owner's labels."""
    service = (tags or {}).get(_SERVICE_LABEL)
    return f"{name} of the service {service}" if service else name


def _others(row: Container) -> Iterator[Container]:
    """Those on the host, other than the row, that run or are to run."""
    rows = Container.all_objects.filter(host=row.host_id, removed=None).exclude(pk=row.pk)
    rows = rows.filter(Q(desired="running") | Q(display_state__in=("running", "restarting", "stopping", "removing")))
    return rows.only("name", "tags", "fixed_ports", "status", "display_state").order_by("pk").iterator()


def _ports_of(other: Container) -> Iterator[tuple[int, str]]:
    for _address, number, protocol in other.fixed_ports or ():
        yield number, protocol
    for port in other.engine_state.get("ports") or ():
        if port.get("public"):
            yield port["public"], port["protocol"]
