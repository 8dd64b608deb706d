"""Services for lists: counts, ports and links in a constant number of queries."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Count

from apps.console.components.listing import natural_order
from apps.console.components.state_badges import tone
from apps.console.request_context import RequestContext
from apps.console.stacks.kind_pages import KIND_LABELS
from apps.containers.models import Container
from apps.containers.selectors import endpoints, working_filter
from apps.stacks.health import HEALTHY
from apps.stacks.models import Service, ServiceLink, Slot
from apps.stacks.selectors import containers_to_run, health_of
from apps.stacks.updates.models import ImageUpdate
from apps.stacks.updates.selectors import update_states

MAX_CONTAINERS_FOR_PORTS = 4  # per service: a list shows the ports of the first few
HEAVY_STACK_FIELDS = ("docker_compose", "rancher_compose", "variables")


@dataclass
class ServiceRow:
    """A service as lists show it; `running` counts what ran once and has ended well, too."""

    service: Service
    total: int = 0
    running: int = 0
    ports: list[dict[str, Any]] = field(default_factory=list)
    links: list[ServiceLink] = field(default_factory=list)
    has_newer_image: bool = False

    @property
    def wanted(self) -> int:
        """How many containers it should have."""
        return containers_to_run(self.service)

    @property
    def kind(self) -> Any:
        """What it is, in words, where it is no ordinary service."""
        return KIND_LABELS[self.service.kind]

    @property
    def leads_to(self) -> str:
        """Its image, or where it leads outside the environment."""
        target = self.service.options.external
        return target.hostname or ", ".join(target.addresses) or self.service.image

    @property
    def meter(self) -> str:
        """The tone of the bar that shows how many run."""
        return meter_tone(self.service, self.running)


def meter_tone(row: Service, running: int) -> str:
    """The tone of a bar that shows how many of a service's containers run: good only if the service is."""
    if row.desired != "active":
        return "off"
    health = health_of(row)
    return "busy" if health == HEALTHY and running < containers_to_run(row) else tone(health)


def service_rows(ctx: RequestContext, **which: Any) -> dict[int, list[ServiceRow]]:
    """The matching services of this environment by stack; five queries however many there are."""
    rows = (
        Service.objects.within([ctx.env.pk])
        .filter(removed=None, **which)
        .defer("spec", "secondary", "metadata", "balancer")
    )
    rows = rows.select_related("stack").defer("spec", *(f"stack__{n}" for n in HEAVY_STACK_FIELDS))
    by_service = {row.pk: ServiceRow(row) for row in rows.order_by(*natural_order("name"))}
    slots = Slot.objects.filter(service__in=list(by_service), container__removed=None)
    alive = Count("pk", filter=working_filter("container__"))
    for key, total, running in slots.order_by().values_list("service").annotate(total=Count("pk"), alive=alive):
        by_service[key].total, by_service[key].running = total, running
    for link in (
        ServiceLink.objects.filter(service__in=list(by_service))
        .select_related("target")
        .defer("target__spec", "target__secondary")
    ):
        by_service[link.service_id].links.append(link)
    for key, state in update_states(row.service for row in by_service.values()).items():
        by_service[key].has_newer_image = state == ImageUpdate.NEWER
    _load_ports(ctx, by_service)
    by_stack: dict[int, list[ServiceRow]] = defaultdict(list)
    for service_row in by_service.values():
        by_stack[service_row.service.stack_id].append(service_row)
    return by_stack


def _load_ports(ctx: RequestContext, by_service: dict[int, ServiceRow]) -> None:
    """Add the published ports of the first few running containers of each service."""
    rows = Container.objects.within([ctx.env.pk]).filter(
        slot__service__in=list(by_service),
        slot__number__lte=MAX_CONTAINERS_FOR_PORTS,
        display_state="running",
        removed=None,
    )
    light = rows.select_related("host", "slot").defer("spec", "placement", "host__tls", "host__info")
    for row in light.order_by("slot__number"):
        by_service[row.slot.service_id].ports.extend(endpoints(row))
