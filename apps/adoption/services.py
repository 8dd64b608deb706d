"""Adopting what runs, and giving it back: rows change hands in one transaction, and no engine is told anything."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import transaction

from apps.adoption.candidates import preview
from apps.adoption.origin import compose_labels_of, plain_name, rancher_labels_of
from apps.adoption.plan import AdoptionPlan, PlannedService
from apps.adoption.rows import CONTAINER_COLUMNS, TAKEABLE, lock_containers
from apps.adoption.taking_over import note_on, take_over
from apps.containers.launch.kind_labels import is_global
from apps.containers.models import Container
from apps.containers.services import build_container
from apps.control.models import Operation
from apps.control.services import create, create_all, request_change
from apps.core.errors import ActionNotAvailable, Conflict, Invalid
from apps.core.unique import unique_or
from apps.environments.actor import SYSTEM, Actor
from apps.hosts.models import Host
from apps.stacks.adopted import IMPORTED_PREFIX
from apps.stacks.models import GIVE_BACK, Service, ServiceLink, ServiceMember, Slot, Stack
from apps.stacks.new_services import build_service, check_name, describe_service
from apps.stacks.revisions import save_first_revisions
from apps.stacks.services import STACK_NAME_ONCE, stack_taken
from apps.stacks.sidekicks import PRIMARY
from apps.stacks.stack_revisions import save_stack_revision, sources_of, stack_now
from apps.stacks.unit_steps import slot_key, unit_tags

_SETTLED = frozenset({"active", "inactive"})


def adopt(*, actor: Actor, host: Host, kind: str, project: str, name: str = "", basis: str = "") -> Stack:
    """Make a stack of a project that runs on a host; its containers stay as they are, and are the stack's from now on.

    The stack is called `name`, else as the project. With the `basis` of a preview it is refused where something has
    changed since. Where an imported stack is called as the project, that takes the containers over instead, host after
    host, and has no other name. Raises `Forbidden`, `NotFound`, `Invalid`, `Conflict`, `Problem` while the host does
    not answer; then nothing was changed.
    """
    plan = preview(actor, host, kind, project)
    if basis and basis != plan.basis:
        raise Conflict(f"{project} is not any more as it was shown: look at the preview again.")
    if plan.obstacles:
        raise Invalid("project", "InvalidState", f"{project} cannot be adopted: {' '.join(plan.obstacles)}")
    if plan.stack is not None:
        return take_over(plan, actor=actor, host=host, name=name)
    stack = Stack(
        environment=host.environment,
        name=check_name(name or plain_name(project)),
        start_on_create=True,
        desired="active",
        revision=1,
        adopted={"kind": plan.kind, "project": project, "host": host.pk},
    )
    keys = [each.key for each in plan.containers]
    request = {"name": stack.name, "project": project, "kind": kind, "host": str(host), "containers": len(keys)}
    with transaction.atomic():
        rows = lock_containers(plan)
        with unique_or(stack_taken(stack.name), STACK_NAME_ONCE):
            operation = create(stack, actor=actor, request=request)
        services = _create_services(stack, plan, actor, operation)
        for planned, service in zip(plan.services, services, strict=True):
            _take_over(planned, service, rows, operation)
        _create_links(plan, services)
        save_stack_revision(stack, 1, stack_now(stack).states.values(), sources_of(stack), actor)
        note_on(operation, plan)
    return stack


def _create_services(stack: Stack, plan: AdoptionPlan, actor: Actor, operation: Operation) -> list[Service]:
    services = []
    for planned in plan.services:
        row = build_service(
            stack,
            check_name(planned.name),
            planned.config,
            scale=1 if is_global(planned.config) else len(planned.containers),
            start_on_create=planned.is_active,
        )
        row.adopted = {
            "project": plan.project,
            "service": planned.original,
            "naming": plan.naming,
            "labels": dict(planned.labels),
            "networks": [dict(each) for each in planned.networks],
        }
        services.append(row)
    create_all(services, actor=actor, requests=[describe_service(row) for row in services], parent=operation)
    save_first_revisions(services, actor)
    return services


def _take_over(planned: PlannedService, service: Service, rows: dict[int, Container], operation: Operation) -> None:
    """Have the containers be the service's: what is desired of them is what they do already."""
    slots = []
    for each in planned.containers:
        row = rows[each.key]
        made = build_container(
            environment=service.environment,
            config=planned.config,
            name=row.name,
            keep_running=True,
            spread_key=str(service.uuid),
            aliases=[service.name, f"{service.name}.{service.stack.name}"],
            tags={
                **rancher_labels_of(each.labels),
                **unit_tags(service, "", PRIMARY, service.revision),
                **compose_labels_of(each.labels),
            },
            slot_key=slot_key(service, each.number, PRIMARY),
            networks=[dict(network) for network in planned.networks],
        )
        columns = {name: getattr(made, name) for name in CONTAINER_COLUMNS}
        desired = "running" if planned.is_active else "stopped"
        request_change(row, "update", actor=SYSTEM, changes={**columns, "desired": desired}, parent=operation)
        slots.append(Slot(service=service, number=each.number, container=row))
    Slot.objects.bulk_create(slots)


def _create_links(plan: AdoptionPlan, services: Sequence[Service]) -> None:
    by_name = {row.name: row for row in services}
    ServiceLink.objects.bulk_create(
        ServiceLink(service=by_name[planned.name], target=by_name[target], name=alias)
        for planned in plan.services
        for target, alias in planned.links
    )


def give_back(stack: Stack, *, actor: Actor) -> Stack:
    """Let go of an adopted stack: its containers go on as they are and are nobody's, the stack and its services go.

    Raises `Forbidden`, `ActionNotAvailable` while something about it is under way, or for what was made here.
    """
    with transaction.atomic():
        services = list(Service.all_objects.filter(stack=stack, removed=None).select_related("stack"))
        request_change(stack, GIVE_BACK, actor=actor, changes={"removal": {"givenBack": True}})
        operation = Operation.all_objects.filter(kind=stack.KIND, target=stack.pk).latest("pk")
        for service in services:
            _release(service, operation)
    return stack


def _release(service: Service, operation: Operation) -> None:
    _require_settled(service)
    rows = list(Container.all_objects.select_for_update(no_key=True).filter(spread_key=str(service.uuid), removed=None))
    kept = set(Slot.objects.filter(service=service).values_list("container", flat=True))
    units = {row.deployment_unit for row in rows if row.pk in kept}
    for row in rows:
        is_sidekick = row.launch_name not in {"", PRIMARY} and row.deployment_unit in units
        if not (row.pk in kept or is_sidekick) or row.display_state not in TAKEABLE:
            why = f"{row.name} is {row.display_state}: wait until nothing about {service.name} is under way."
            raise ActionNotAvailable(why, field="action")
    Slot.objects.filter(service=service).delete()
    ServiceMember.objects.filter(service=service).delete()
    for row in rows:
        request_change(row, "update", actor=SYSTEM, changes=_released_columns(row), parent=operation)
    changes = {"removal": {"givenBack": True, "withStack": True}}
    request_change(service, "remove", actor=SYSTEM, changes=changes, parent=operation)


def _require_settled(service: Service) -> None:
    """Raise `ActionNotAvailable` unless nothing of the service is made, replaced or kept for a rollback."""
    if not service.adopted and not _is_unused_import(service):
        why = f"{service.name} was made here, and nothing else would know its containers: remove it first."
        raise ActionNotAvailable(why, field="action")
    if service.display_state not in _SETTLED:
        why = f"{service.name} is {service.display_state}: finish or take back its upgrade, or wait, first."
        raise ActionNotAvailable(why, field="action")


def _is_unused_import(service: Service) -> bool:
    """Whether it was imported with its stack and has no containers: nothing is left behind when it goes."""
    if not service.stack.external_id.startswith(IMPORTED_PREFIX):
        return False
    return not Container.all_objects.filter(spread_key=str(service.uuid), removed=None).exists()


def _released_columns(row: Container) -> dict[str, Any]:
    """A container that is nobody's: as one that the portal has found, with the labels that it has on its engine.

    What is desired of it is what it does, and counts as reached: nothing is left to do on its engine, even where it has
    ended since it was last looked at.
    """
    labels = compose_labels_of(row.tags) or rancher_labels_of(row.tags)
    spec = {**row.spec, "labels": {**(row.spec.get("labels") or {}), **labels}}
    spec.pop("requestedHostId", None)
    return {
        "desired": "running" if row.state == "running" else "stopped",
        "status": {**row.status, "achieved": row.generation + 1, "restart_mark": row.restart_mark},
        "spec": spec,
        "native": True,
        "keep_running": False,
        "spread_key": "",
        "aliases": [],
        "tags": {},
        "slot_key": "",
        "retained_address": "",
        "deployment_unit": "",
        "launch_name": "",
        "requested_host": None,
    }
