"""How services and stacks settle: the plan is made from the slots, and containers are asked for what it says."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.db import transaction
from django.db.models import F, Q

from apps.containers.lifecycle import CONTAINER
from apps.containers.models import Container
from apps.containers.services import container_act, new_container
from apps.control.models import OPEN, Operation
from apps.control.services import create_all, note
from apps.core.errors import Problem
from apps.core.result import Result
from apps.environments.access import SYSTEM
from apps.stacks.drain import view, with_outlook
from apps.stacks.models import Service, ServiceLink, Slot, Stack
from apps.stacks.plan import Plan, plan
from apps.stacks.services import service_remove

RECHECK = 5.0
ALL_WELL = 300.0  # a wake-up may be lost: what has settled is looked at again now and then


def settle_service(row: Service) -> Result:
    """One look at one service: plan, ask the containers, say how far it is."""
    if row.desired == "purged":
        return Result(state="purged")
    slots = list(Slot.objects.filter(service=row).select_related("container__host", "successor__host"))
    todo = plan(row.desired, row.scale, [view(slot, row.lost_after) for slot in slots])
    operation = _operation(row)
    _apply(row, slots, todo, operation)
    return with_outlook(_outcome(row, todo, slots), slots, row.lost_after)


def _operation(row: Service) -> Operation | None:
    found: Operation | None = Operation.all_objects.filter(kind=row.KIND, target=row.pk, state__in=OPEN).first()
    return found


def _apply(row: Service, slots: Sequence[Slot], todo: Plan, operation: Operation | None) -> None:
    there = [container for slot in slots for container in (slot.container, slot.successor) if container is not None]
    by_id = {container.pk: container for container in there}
    with transaction.atomic():
        _hand_over(slots, todo)
        if todo.fill or todo.surge:
            _fill(row, slots, todo, operation)
        for action, keys in (("start", todo.start), ("stop", todo.stop), ("remove", todo.remove)):
            for key in keys:
                _ask(by_id[key], action, operation)
        for container in _orphans(row):
            _ask(container, "remove", operation)
        if todo.drop:
            Slot.objects.filter(service=row, number__in=todo.drop).delete()


def _orphans(row: Service) -> Iterable[Container]:
    """Containers of the service that have no place in it: somebody was faster when they were asked to go."""
    mine = Container.all_objects.filter(spread_key=str(row.uuid), removed=None, kept=True).exclude(desired="removed")
    return mine.filter(slot=None, succeeds=None)


def _hand_over(slots: Sequence[Slot], todo: Plan) -> None:
    """Successors that run take their slots; those that are not needed any more lose them."""
    for slot in slots:
        if slot.number in todo.promote:
            before, slot.container = slot.container, slot.successor
            if before is not None and before.host is not None and slot.container is not None:
                note(before.host, f"{before.name} runs on {slot.container.host} now.")
        if slot.number in todo.promote + todo.recall:
            slot.successor = None
            slot.save(update_fields=["container", "successor"])


def _ask(container: Container, action: str, operation: Operation | None) -> None:
    """Ask, unless the container is in a state that does not allow it yet: then it is waited for."""
    if CONTAINER.allows(action, container.shown):
        try:
            container_act(container, action, actor=SYSTEM, parent=operation)
        except Problem:
            return


def _fill(row: Service, slots: Sequence[Slot], todo: Plan, operation: Operation | None) -> None:
    """New containers for the slots that need one, or a successor, all in one go."""
    numbers = todo.fill + todo.surge
    known = {slot.number: slot for slot in slots}
    names = _link_names(row)
    made = [_new(row, number, known.get(number), names) for number in numbers]
    create_all(made, actor=SYSTEM, parent=operation)
    fresh = []
    for number, container in zip(numbers, made, strict=True):
        slot = known.get(number)
        if slot is None:
            fresh.append(Slot(service=row, number=number, container=container))
        else:
            place = "successor" if number in todo.surge else "container"
            setattr(slot, place, container)
            slot.save(update_fields=[place])
    Slot.objects.bulk_create(fresh)


def _new(row: Service, number: int, slot: Slot | None, names: Sequence[str]) -> Container:
    before = slot.container if slot else None
    stack = row.stack
    name = f"{stack.name}_{row.name}_{number}"
    return new_container(
        environment=row.environment,
        config=row.config,
        name=name,
        kept=True,
        spread_key=str(row.uuid),
        avoid_host=before.host if before else None,
        aliases=[row.name, f"{row.name}.{stack.name}", *names],
        tags={
            "io.rancher.stack.name": stack.name,
            "io.rancher.project.name": stack.name,
            "io.rancher.stack_service.name": f"{stack.name}/{row.name}",
            "io.rancher.project_service.name": f"{stack.name}/{row.name}",
            "io.rancher.service.launch.config": "io.rancher.service.primary.launch.config",
            "io.rancher.service.deployment.unit": str(row.uuid),
        },
    )


def _link_names(row: Service) -> list[str]:
    """The names under which other services link to this one; network aliases until per-consumer DNS answers."""
    names = ServiceLink.objects.filter(target=row).exclude(name__in=("", row.name)).values_list("name", flat=True)
    return sorted(set(names))


def _outcome(row: Service, todo: Plan, slots: Sequence[Slot]) -> Result:
    if row.desired == "removed":
        left = Container.all_objects.filter(spread_key=str(row.uuid), removed=None).count()
        if left:
            return Result(state="removing", message=f"Waiting for {left} containers to go", again_in=RECHECK)
        return Result(state="removed")
    running = sum(1 for slot in slots if slot.container and slot.container.shown == "running")
    health = "healthy" if not todo.waiting else ("degraded" if running else "initializing")
    status = {"running": running, "health": health, "achieved": row.status.get("achieved")}
    if not todo.waiting:
        again = ALL_WELL if row.desired == "active" else None
        return Result(state=row.desired, status=status | {"achieved": row.generation}, again_in=again)
    trouble = _trouble(slots)
    settled_before = row.status.get("achieved") == row.generation
    state = row.desired if settled_before and not todo.fill else row.doing or row.shown
    return Result(
        state=state,
        status=status,
        message=trouble or f"{running} of {row.scale} running",
        again_in=RECHECK,
        failed=bool(trouble) and not settled_before,
        progress=100 * running // max(row.scale, 1),
    )


def _trouble(slots: Sequence[Slot]) -> str:
    """The words of the first container that failed."""
    for slot in slots:
        container = slot.container
        if container is not None and container.fault and not container.is_gone:
            return f"{container.name}: {container.message}"
    return ""


def settle_stack(row: Stack) -> Result:
    """A stack is as its services are; removing it removes them first."""
    if row.desired == "purged":
        return Result(state="purged")
    services = list(Service.all_objects.filter(stack=row, removed=None))
    if row.desired == "removed":
        for service in services:
            if not service.is_gone:
                service_remove(service, actor=SYSTEM)
        if services:
            return Result(state="removing", message=f"Waiting for {len(services)} services to go", again_in=RECHECK)
        return Result(state="removed")
    return Result(state="active", status={"health": _health(services)}, again_in=ALL_WELL if services else None)


def _health(services: Sequence[Service]) -> str:
    active = [s for s in services if s.desired == "active"]
    words = {str(s.status.get("health", "initializing")) for s in active}
    for word in ("unhealthy", "degraded", "initializing"):
        if word in words:
            return word
    return "healthy"


def service_of(row: Container) -> Iterable[tuple[str, int]]:
    """The service to look at when its container settled: only the last one to settle wakes it, or one that failed."""
    if not row.spread_key:
        return []
    siblings = Container.all_objects.filter(spread_key=row.spread_key, removed=None).exclude(pk=row.pk)
    siblings = siblings.exclude(desired="removed")  # on a lost host that may last for days
    busy = Q(observed_generation__lt=F("generation")) | Q(state__in=CONTAINER.transitional)
    if row.desired == "running" and siblings.filter(busy, fault=False).exists():
        return []
    keys: Any = Service.all_objects.filter(uuid=row.spread_key).values_list("pk", flat=True)
    return [("service", key) for key in keys]


def stack_of(row: Service) -> Iterable[tuple[str, int]]:
    """A service's stack."""
    return [("environment", row.stack_id)]
