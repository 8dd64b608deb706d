"""Services as lists show them: counts, ports and links in a constant number of queries."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Count, Q

from apps.console.door import Visit
from apps.console.listing import natural
from apps.containers.models import Container
from apps.containers.selectors import endpoints
from apps.stacks.models import Service, ServiceLink, Slot

PORTS_OF = 4  # so many containers of a service are asked for the ports that a list shows
HEAVY = ("docker_compose", "rancher_compose", "variables")


@dataclass
class Line:
    """A service as lists show it."""

    service: Service
    total: int = 0
    running: int = 0
    ports: list[dict[str, Any]] = field(default_factory=list)
    links: list[ServiceLink] = field(default_factory=list)


def lines(visit: Visit, **which: Any) -> dict[int, list[Line]]:
    """The services of this environment that match, by stack; four queries however many there are."""
    rows = Service.objects.within([visit.env.pk]).filter(removed=None, **which).defer("spec", "metadata")
    rows = rows.select_related("stack").defer("spec", *(f"stack__{n}" for n in HEAVY))
    found = {row.pk: Line(row) for row in rows.order_by(*natural("name"))}
    slots = Slot.objects.filter(service__in=list(found), container__removed=None)
    alive = Count("pk", filter=Q(container__shown="running"))
    for key, total, running in slots.order_by().values_list("service").annotate(total=Count("pk"), alive=alive):
        found[key].total, found[key].running = total, running
    for link in ServiceLink.objects.filter(service__in=list(found)).select_related("target").defer("target__spec"):
        found[link.service_id].links.append(link)
    _ports(visit, found)
    by_stack: dict[int, list[Line]] = defaultdict(list)
    for line in found.values():
        by_stack[line.service.stack_id].append(line)
    return by_stack


def _ports(visit: Visit, found: dict[int, Line]) -> None:
    """Where the first few containers of each service are reached."""
    rows = Container.objects.within([visit.env.pk]).filter(
        slot__service__in=list(found), slot__number__lte=PORTS_OF, shown="running", removed=None
    )
    light = rows.select_related("host", "slot").defer("spec", "placement", "host__tls", "host__info")
    for row in light.order_by("slot__number"):
        found[row.slot.service_id].ports.extend(endpoints(row))
