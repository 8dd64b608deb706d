"""An imported stack takes over containers that a Rancher server made: rows change hands, engines are left alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from django.db import transaction

from apps.adoption.imported import running_config
from apps.adoption.origin import UNIT_LABEL, rancher_labels_of
from apps.adoption.plan import AdoptionPlan, PlannedContainer, PlannedService
from apps.adoption.rows import CONTAINER_COLUMNS, lock_containers
from apps.containers.models import Container
from apps.containers.services import build_container
from apps.control.models import Operation, OperationLine
from apps.control.services import request_change
from apps.core.errors import Invalid
from apps.core.plurals import counted
from apps.environments.actor import SYSTEM, Actor
from apps.hosts.models import Host
from apps.stacks.models import Service, Slot, Stack
from apps.stacks.sidekicks import PRIMARY
from apps.stacks.unit_steps import slot_key, unit_tags


def take_over(plan: AdoptionPlan, *, actor: Actor, host: Host, name: str = "") -> Stack:
    """Give the containers of a plan to the services of the imported stack that it names, as they are.

    A service is active from then on where they run, and has exactly those that were taken over: its rules (a scale,
    one for each host, a scale policy) hold from its next upgrade on. Raises `Forbidden`, `Invalid` for another name
    than the stack has, `Conflict`, `ActionNotAvailable`, `Locked`; nothing was changed then.
    """
    with transaction.atomic():
        stack: Stack = Stack.all_objects.select_for_update(no_key=True).get(pk=plan.stack)
        if name and name.lower() != stack.name.lower():
            why = f"The imported stack {stack.name} takes these containers over: leave the name out."
            raise Invalid("name", "InvalidOption", why)
        rows = lock_containers(plan)
        described = {"project": plan.project, "kind": plan.kind, "host": str(host), "containers": len(plan.containers)}
        adopted = stack.adopted or {"kind": plan.kind, "project": plan.project, "host": host.pk}
        operation = request_change(stack, "update", actor=actor, changes={"adopted": adopted}, request=described)
        groups: dict[int, list[PlannedService]] = defaultdict(list)
        for planned in plan.services:
            if planned.service is not None:
                groups[planned.service].append(planned)
        services = Service.all_objects.select_related("stack").in_bulk(groups)
        for key, group in groups.items():
            _take(services[key], group, rows, plan.project, actor, operation)
        note_on(operation, plan)
    return stack


def _take(
    service: Service,
    group: Sequence[PlannedService],
    rows: Mapping[int, Container],
    project: str,
    actor: Actor,
    operation: Operation,
) -> None:
    new = [each for planned in group if not planned.launch_name for each in planned.containers]
    runs = service.desired == "active" or any(planned.is_active for planned in group)
    before = service.scale if service.desired == "active" else Slot.objects.filter(service=service).count()
    adopted = {
        "naming": "",
        "labels": {},
        "networks": [],
        "scale": service.scale,
        **service.adopted,
        "project": project,
        "service": service.name,
        "held": service.revision,
    }
    action = "activate" if runs and service.desired != "active" else "update"
    changes = {"scale": before + len(new), "adopted": adopted}
    request_change(service, action, actor=actor, changes=changes, parent=operation)
    versions = {"": service.current_version, **{each.name: each.version for each in service.sidekicks}}
    for planned in group:
        for each in planned.containers:
            made = _as_member(service, planned, each, versions[planned.launch_name])
            columns = {name: getattr(made, name) for name in CONTAINER_COLUMNS}
            columns["desired"] = "running" if runs else "stopped"
            if runs and not each.runs:  # a sidekick that has done its job: what is desired of it counts as reached
                columns["status"] = {**rows[each.key].status, "achieved": rows[each.key].generation + 1}
            request_change(rows[each.key], "update", actor=SYSTEM, changes=columns, parent=operation)
    Slot.objects.bulk_create(Slot(service=service, number=each.number, container=rows[each.key]) for each in new)


def _as_member(service: Service, planned: PlannedService, each: PlannedContainer, version: int) -> Container:
    """An unsaved row with what the container is to have as one of the service's."""
    launch = planned.launch_name or PRIMARY
    stack = service.stack
    names = [service.name, f"{service.name}.{stack.name}"]
    if planned.launch_name:
        names = [launch, f"{launch}.{service.name}", f"{launch}.{service.name}.{stack.name}"]
    return build_container(
        environment=service.environment,
        config=running_config(planned.config),
        name=each.name,
        keep_running=True,
        spread_key=str(service.uuid),
        aliases=names,
        deployment_unit=each.unit,
        launch_name=launch if each.unit else "",
        tags={
            **rancher_labels_of(each.labels),
            **unit_tags(service, each.labels.get(UNIT_LABEL, ""), launch, version),
        },
        slot_key=slot_key(service, each.number, launch),
        networks=[],
    )


def note_on(operation: Operation, plan: AdoptionPlan) -> None:
    """Keep with the operation what was said before."""
    texts = [
        f"{counted(len(plan.containers), 'container')} taken over as they are.",
        *plan.notes,
        *(
            f"{each.container}: {each.field} is {each.now or 'not set'}, later {each.later or 'not set'}."
            for each in plan.differences
        ),
    ]
    OperationLine.objects.bulk_create(OperationLine(operation=operation, text=text) for text in texts)
