"""Reads of stacks and services: everything a page or an answer needs in a constant number of queries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import QuerySet

from apps.containers.deployment_units import current_members
from apps.containers.models import Container, ContainerEvent
from apps.containers.selectors import does_its_work, endpoints
from apps.core.errors import Forbidden
from apps.environments.access import can
from apps.environments.actor import Actor
from apps.stacks.compose import export
from apps.stacks.compose_export import to_compose_service
from apps.stacks.goal import ON_HOSTS, POLICY_SCALE
from apps.stacks.health import DEGRADED, INITIALIZING, SEVERITY, STOPPED, stack_health
from apps.stacks.models import (
    Service,
    ServiceLink,
    ServiceMember,
    ServiceRun,
    Slot,
    Stack,
)
from apps.stacks.sidekicks import PRIMARY


@dataclass
class ServiceView:
    """A service with its primary containers by slot number, the sidekicks beside them, and its links."""

    service: Service
    containers: list[Container] = field(default_factory=list)
    sidekicks: list[Container] = field(default_factory=list)
    links: list[ServiceLink] = field(default_factory=list)

    @property
    def members(self) -> list[Container]:
        """All containers of its units."""
        return [*self.containers, *self.sidekicks]

    @property
    def running(self) -> int:
        """How many of its containers run, or ran once and have ended well."""
        return sum(does_its_work(container) for container in self.containers)

    @property
    def endpoints(self) -> list[dict[str, Any]]:
        """Where its published ports are reached."""
        return [endpoint for container in self.members for endpoint in endpoints(container)]


def containers_to_run(row: Service) -> int:
    """How many containers the service should have: its scale, or as many as the loop found hosts for."""
    status = row.status or {}
    return int(status.get(ON_HOSTS, status.get(POLICY_SCALE, row.wanted_containers)))


def health_of(row: Service) -> str:
    """The health of a service as last observed; one that is being stopped or started was not observed as that yet."""
    return observed_health(row.desired, row.status or {}, is_faulty=row.fault)


def observed_health(desired: str, status: Mapping[str, Any], *, is_faulty: bool) -> str:
    """The same of columns that were read without the row."""
    if desired != "active":
        return STOPPED
    health = str(status.get("health") or INITIALIZING)
    health = INITIALIZING if health == STOPPED else health
    return max(health, DEGRADED, key=SEVERITY.index) if is_faulty else health


def health_of_stack(services: Iterable[Service]) -> str:
    """The health of a stack of these services; those without containers count only where there are no others."""
    found = list(services)
    return stack_health(map(health_of, [each for each in found if each.has_containers] or found))


def service_events(row: Service) -> QuerySet[ContainerEvent]:
    """What was done to keep the service's containers going, those that are gone included, the newest first."""
    found = ContainerEvent.objects.filter(environment=row.environment_id, spread_key=str(row.uuid))
    return found.select_related("container")


def stacks_of(actor: Actor, environment_id: int) -> QuerySet[Stack]:
    """The stacks of one environment that are not removed."""
    mine = [environment_id] if "view" in actor.permissions(environment_id) else []
    rows: QuerySet[Stack] = Stack.objects.within(mine).filter(removed=None)
    return rows


def service_views(services: Iterable[Service]) -> list[ServiceView]:
    """The services with their containers and links; three queries at most, however many there are."""
    views = {service.pk: ServiceView(service) for service in services}
    slots = Slot.objects.filter(service__in=list(views), container__isnull=False)
    for slot in slots.select_related("container__host").order_by("number"):
        if slot.container is not None and slot.container.removed is None:
            views[slot.service_id].containers.append(slot.container)
    _add_sidekicks(views)
    for link in ServiceLink.objects.filter(service__in=list(views)).select_related("target__stack"):
        views[link.service_id].links.append(link)
    return list(views.values())


def _add_sidekicks(views: Mapping[int, ServiceView]) -> None:
    """The sidekicks in the units of the services' containers; none that an upgrade keeps, stopped."""
    by_unit = {
        each.deployment_unit: view
        for view in views.values()
        for each in view.containers
        if each.deployment_unit and view.service.secondary
    }
    if not by_unit:
        return
    rows = Container.all_objects.filter(deployment_unit__in=by_unit, removed=None).exclude(launch_name=PRIMARY)
    members: dict[str, list[Container]] = {}
    for row in rows.exclude(desired__in=("removed", "purged")).select_related("host").order_by("launch_name"):
        if row.desired != "stopped" or row.launch_name in by_unit[row.deployment_unit].service.sidekick_names:
            members.setdefault(row.deployment_unit, []).append(row)
    for unit, found in members.items():
        by_unit[unit].sidekicks += current_members(found).values()


def stack_export(
    actor: Actor, stack: Stack, services: Sequence[int] = (), *, first_form: bool = False
) -> tuple[str, str]:
    """The stack as (docker-compose, rancher-compose) texts; needs the right to see values, which the files contain.

    The first form is for clients of v1, where it can say the stack.
    """
    allowed = can(actor, "values", stack.environment_id)
    if not allowed:
        raise Forbidden(allowed.reason)
    rows = Service.all_objects.filter(stack=stack, removed=None).order_by("name")
    if services:
        rows = rows.filter(pk__in=services)
    found = [to_compose_service(view.service, view.links) for view in service_views(rows)]
    return export(found, stack.name, first_form=first_form)


def service_members(environments: Iterable[int]) -> QuerySet[ServiceMember]:
    """What the services of these environments are reached at; containers that are gone count no longer."""
    rows: QuerySet[ServiceMember] = ServiceMember.objects.filter(
        service__environment__in=environments, service__removed=None, container__removed=None
    )
    return rows.select_related("service")


def runs_of_environments(environments: Iterable[int]) -> QuerySet[ServiceRun]:
    """The runs of the services of these environments, with who had them run by hand."""
    rows: QuerySet[ServiceRun] = ServiceRun.objects.filter(service__environment__in=environments, service__removed=None)
    return rows.select_related("service", "account")


def runs_of(row: Service) -> QuerySet[ServiceRun]:
    """The history of a service's runs with their containers and who had them run, the newest first."""
    found = ServiceRun.objects.filter(service=row).select_related("container", "account")
    return found.defer("container__spec", "container__placement", "container__status")
