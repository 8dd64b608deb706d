"""Reconciling services and stacks: a plan is made from the slots, and requested of the containers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from apps.containers.lifecycle import CONTAINER
from apps.containers.models import Container
from apps.containers.network_checks import reason_in_brackets
from apps.containers.published_ports import release_places
from apps.containers.services import build_container, requested_host
from apps.containers.timeline import record_event
from apps.control.models import PENDING_STATES, Operation
from apps.control.services import create_all, note_progress
from apps.core.plurals import counted
from apps.core.result import ReconcileResult, percent
from apps.core.texts import labeled
from apps.environments.actor import SYSTEM
from apps.network.addresses import release_retained
from apps.stacks.adopted import container_name, project_labels
from apps.stacks.balancer.steps import with_balancer
from apps.stacks.drain import unit_of, with_lost_host_message
from apps.stacks.external_checks import with_external_health
from apps.stacks.goal import Goal, goal_of
from apps.stacks.handover_given_up import give_up_handover
from apps.stacks.handover_steps import apply_handover, handed_over, handover_columns_at_end, is_handing_over
from apps.stacks.health import DEGRADED, UNHEALTHY, service_health, unit_health
from apps.stacks.kept_ports import with_ports
from apps.stacks.members import refresh_members
from apps.stacks.models import Service, ServiceLink, Slot, Stack
from apps.stacks.plan import ServicePlan
from apps.stacks.readiness import ReadyRule, wait_for_ready
from apps.stacks.recreation import recreate_unhealthy, stays_on_host, unit_leaves_host, unready, with_next_recreation
from apps.stacks.restart import RestartPlan
from apps.stacks.restart_services import apply_restart, next_restart_at, restart_plan, restart_progress
from apps.stacks.revisions import note_image
from apps.stacks.rollout import (
    NEXT_BATCH_AT,
    apply_upgrade,
    config_to_run,
    next_batch_at,
    request_if_allowed,
    rollout_of,
    steady_state,
    upgrade_view,
)
from apps.stacks.runs import advance_runs, with_runs
from apps.stacks.selectors import health_of_stack
from apps.stacks.service_options import ALIAS
from apps.stacks.services import links_remove_all, service_remove
from apps.stacks.sidekicks import PRIMARY
from apps.stacks.stack_rollout import reconcile_rollout
from apps.stacks.unit_steps import ServiceUnits, retained_address, slot_key, unit_tags
from apps.stacks.upgrade import PAUSED, ROLLING_BACK, UPGRADING, UpgradePlan, plan_upgrade
from apps.stacks.verdict.observer import judge_upgrade

Plans = tuple[Goal, UpgradePlan, RestartPlan]

RECHECK_SECONDS = 5.0
RESYNC_SECONDS = 300.0  # a requeue may be lost, so what is in sync is reconciled now and then as well


def reconcile_service(row: Service) -> ReconcileResult:
    """Reconcile one service: plan, request it of the containers, report how far it is."""
    if row.desired == "purged":
        return ReconcileResult(state="purged")
    if give_up_handover(row):
        return ReconcileResult(state=row.display_state)
    related = ("container__host", "successor__host", "previous__host")
    slots = list(Slot.objects.filter(service=row).select_related(*related))
    units, operation = ServiceUnits(row), _open_operation(row)
    recreation_due = recreate_unhealthy(units, slots, operation) if row.desired == "active" else None
    rule = ReadyRule.of(row, slots)
    views = with_ports(row, slots, [units.view(upgrade_view(row, slot, rule), slot, rule) for slot in slots])
    goal = goal_of(row, slots, views)
    kept = goal.staying(views)
    goal = replace(goal, plan=replace(goal.plan, waiting=goal.plan.waiting + units.waiting(kept, slots)))
    steps = goal.plan
    upgrade = UpgradePlan()
    if row.desired == "active":
        upgrade = plan_upgrade(rollout_of(row), kept, steps.waiting, unready(units, slots, rule))
    staying = [slot for slot in slots if slot.number not in steps.drop]
    plans = (goal, upgrade, restart_plan(units, staying, goal.scale, rule))
    _apply(units, slots, plans, operation)
    runs = advance_runs(row, operation)
    refresh_members(row)
    judge_upgrade(row)
    lost_after = None if goal.hosts else row.lost_after
    result = with_next_recreation(_outcome(units, plans, slots, rule), row, recreation_due)
    result = with_external_health(row, with_lost_host_message(result, slots, lost_after))
    return with_balancer(row, with_runs(row, result, runs))


def _open_operation(row: Service) -> Operation | None:
    found: Operation | None = Operation.all_objects.filter(
        kind=row.KIND, target=row.pk, state__in=PENDING_STATES
    ).first()
    return found


def _apply(units: ServiceUnits, slots: Sequence[Slot], plans: Plans, operation: Operation | None) -> None:
    row, (goal, upgrade, restart) = units.row, plans
    steps = goal.plan
    there = [each for slot in slots for each in (slot.container, slot.successor, slot.previous) if each is not None]
    by_id = {container.pk: container for container in there}
    with transaction.atomic():
        _promote_successors(slots, steps)
        if steps.fill or steps.surge:
            _fill_slots(units, slots, goal, operation)
        for action, keys in (("start", steps.start), ("stop", steps.stop), ("remove", steps.remove)):
            for key in keys:
                request_if_allowed(by_id[key], action, operation)
        apply_upgrade(row, slots, upgrade, operation, partial(_create_containers, units, slots, operation, goal))
        units.apply([slot for slot in slots if slot.number not in steps.drop], upgrade.sidekicks, operation)
        apply_restart(units, slots, restart, operation)
        apply_handover(goal.handover, operation)
        for container in _orphans(row):
            request_if_allowed(container, "remove", operation)
        if steps.drop:
            Slot.objects.filter(service=row, number__in=steps.drop).delete()


def _orphans(row: Service) -> Iterable[Container]:
    """Primary containers that no slot holds: their removal was refused because another change came first."""
    mine = Container.all_objects.filter(spread_key=str(row.uuid), removed=None, keep_running=True).exclude(
        desired="removed"
    )
    return mine.filter(launch_name__in=("", PRIMARY), slot=None, succeeds=None, kept_by=None)


def _promote_successors(slots: Sequence[Slot], steps: ServicePlan) -> None:
    """Let successors that run take over their slots, and drop those that are not needed any more."""
    for slot in slots:
        if slot.number in steps.promote:
            if slot.successor is not None:
                record_event(slot.successor, "replaced", _replacement_reason(slot))
            previous, slot.container = slot.container, slot.successor
            if previous is not None and previous.host is not None and slot.container is not None:
                note_progress(previous.host, f"{previous.name} runs on {slot.container.host} now.")
        if slot.number in steps.promote + steps.recall:
            slot.successor = None
            slot.save(update_fields=["container", "successor"])


def _fill_slots(units: ServiceUnits, slots: Sequence[Slot], goal: Goal, operation: Operation | None) -> None:
    """Create containers for the slots that need one, or a successor, in one transaction."""
    known, steps = {slot.number: slot for slot in slots}, goal.plan
    numbers = steps.fill + steps.surge
    created = _create_containers(units, slots, operation, goal, numbers, leave_host=True)
    new_slots = []
    for number, container in created.items():
        slot = known.get(number)
        if slot is None:
            new_slots.append(Slot(service=units.row, number=number, container=container))
        else:
            field = "successor" if number in steps.surge else "container"
            record_event(container, "replaced", _replacement_reason(slot))
            setattr(slot, field, container)
            slot.save(update_fields=[field])
    Slot.objects.bulk_create(new_slots)


def _replacement_reason(slot: Slot) -> str:
    """Why the slot gets another container."""
    previous = slot.container
    if previous is None:
        return "Its predecessor is gone."
    host = previous.host
    if host is not None and host.lost_at is not None:
        return f"{previous.name}: its host {host} was lost."
    if host is not None and host.is_draining:
        return f"{previous.name}: its host {host} is being evacuated."
    if previous.health == UNHEALTHY and previous.network_check is not None:
        return f"{previous.name}: its health check failed{reason_in_brackets(previous)}."
    return f"{previous.name} was removed."


def _create_containers(
    units: ServiceUnits,
    slots: Sequence[Slot],
    operation: Operation | None,
    goal: Goal,
    numbers: Sequence[int],
    *,
    leave_host: bool = False,
) -> dict[int, Container]:
    """New primary containers for slots by their numbers, with the sidekicks of units that are new.

    `leave_host` has them go to other hosts than those they replace; successors never join the unit there.
    """
    names = _link_names(units.row)
    before = {slot.number: slot.container for slot in slots}
    created, sidekicks = {}, list[Container]()
    for number in numbers:
        leaves = number in goal.plan.surge or (
            number not in goal.hosts and unit_leaves_host(units.row, number, before.get(number))
        )
        unit = units.unit_for(before.get(number), leaves=leaves)
        primary = _build_container(units.row, number, unit, before.get(number), names)
        if units.has_unit(before.get(number)):
            primary.deployment_unit, primary.launch_name = unit, PRIMARY
        created[number] = primary
        sidekicks += units.build(number, unit, before.get(number))
    if not leave_host:
        for container in created.values():
            container.avoid_host = None
    for number in created.keys() & goal.hosts.keys():
        created[number].requested_host_id = goal.hosts[number]
    create_all([*created.values(), *sidekicks], actor=SYSTEM, parent=operation)
    return created


def _build_container(
    row: Service, number: int, unit: str, previous: Container | None, names: Sequence[str]
) -> Container:
    stack = row.stack
    config, revision = config_to_run(row, previous)
    return build_container(
        environment=row.environment,
        config=config,
        name=container_name(row, number),
        keep_running=True,
        spread_key=str(row.uuid),
        avoid_host=previous.host if previous and not stays_on_host(row, number, previous) else None,
        requested_host=requested_host(config, row.environment_id),
        aliases=[row.name, f"{row.name}.{stack.name}", *names],
        tags={**unit_tags(row, unit, PRIMARY, revision), **project_labels(row, number)},
        networks=row.adopted.get("networks", []),
        retained_address=retained_address(row, number, PRIMARY),
        slot_key=slot_key(row, number, PRIMARY),
    )


def _link_names(row: Service) -> list[str]:
    """The names under which other services link to this one; network aliases until per-consumer DNS answers.

    A service alias that links to it adds its own names, and those under which others link to the alias.
    """
    links = ServiceLink.objects.filter(Q(target=row) | Q(target__links__target=row, target__kind=ALIAS))
    names = set(links.values_list("name", flat=True))
    names |= {name for _service, name in row.upgrade.get("links", ())}  # of those that have moved on to its successor
    aliases = Service.all_objects.filter(links__target=row, kind=ALIAS, desired="active").select_related("stack")
    for alias in aliases:
        names |= {alias.name, f"{alias.name}.{alias.stack.name}"}
    return sorted(names - {"", row.name})


def _outcome(units: ServiceUnits, plans: Plans, slots: Sequence[Slot], rule: ReadyRule) -> ReconcileResult:
    row, (goal, upgrade, restart) = units.row, plans
    steps, scale = goal.plan, goal.scale
    if row.desired == "removed":
        return _removal_outcome(row)
    containers = [slot.container for slot in slots if slot.container is not None and slot.number not in steps.drop]
    successors = [slot.successor for slot in slots if slot.successor is not None and slot.number not in steps.drop]
    everything = [each for primary in containers + successors for each in (primary, *units.members_of(primary))]
    running = sum(units.is_running(container) for container in containers)
    health = service_health(row.desired, scale, [units.health_of(each) for each in containers])
    handover, is_going_on = goal.handover, is_handing_over(goal.handover)
    next_at = next_batch_at(row, upgrade) or next_restart_at(row, restart) or (handover.next_at if handover else None)
    awaited = rule.awaited(containers + successors)
    known = {"running": running, "health": health, "achieved": row.status.get("achieved"), **handed_over(row, handover)}
    known |= {NEXT_BATCH_AT: next_at.isoformat() if next_at else None}
    status = {**goal.status, **known, **rule.finding.status_with(awaited)}
    trouble = _first_trouble(everything) or goal.message if row.desired == "active" else ""
    # A canceled upgrade is at rest once nothing is replaced any more, whatever the new containers do: that may be why.
    is_paused = row.upgrade_phase in PAUSED and row.desired == "active"
    if is_paused or not (
        steps.waiting or upgrade.left or restart.left or is_going_on or _is_settling(row, upgrade.unready)
    ):
        again = RECHECK_SECONDS if steps.waiting else RESYNC_SECONDS if row.desired == "active" else None
        if status["achieved"] != row.generation:
            note_image(row, slots)
        status["achieved"] = row.generation
        return ReconcileResult(steady_state(row), status, trouble, again, fields=handover_columns_at_end(row, handover))
    failure = _first_failure(everything)
    was_in_sync = row.status.get("achieved") == row.generation
    state = steady_state(row) if was_in_sync and not steps.fill else row.transition_state or row.display_state
    done, total, what = _progress(row, plans, running)
    ready_at = wait_for_ready(everything, rule.seconds)
    return ReconcileResult(
        state=state,
        status=status,
        message=failure or trouble or f"{done} of {total} {what}{rule.finding.message(awaited)}",
        requeue_after=min(_seconds_to(next_at), _seconds_to(ready_at)),
        failed=bool(failure) and not was_in_sync,
        progress=percent(done, total),
    )


def _is_settling(row: Service, unready: int) -> bool:
    """Whether the last batch of an upgrade, or of a rollback, still has to get ready as those before it had."""
    is_new = row.status.get("achieved") != row.generation
    return bool(unready) and is_new and row.upgrade_phase in {UPGRADING, ROLLING_BACK}


def _removal_outcome(row: Service) -> ReconcileResult:
    left = Container.all_objects.filter(spread_key=str(row.uuid), removed=None).count()
    if left:
        message = f"Waiting for {counted(left, 'container')} to go"
        return ReconcileResult(state="removing", message=message, requeue_after=RECHECK_SECONDS)
    links_remove_all(row)
    release_retained(f"{row.uuid}/")
    release_places(f"{row.uuid}/")
    return ReconcileResult(state="removed")


def _progress(row: Service, plans: Plans, running: int) -> tuple[int, int, str]:
    """How many containers of how many are what they are to become; those above the scale are left, too."""
    goal, upgrade, restart = plans
    if restart.left:
        return (*restart_progress(row, restart), "restarted")
    if upgrade.left:
        return max(goal.scale - upgrade.left, 0), goal.scale, "up to date"
    if _is_settling(row, upgrade.unready):
        return max(goal.scale - upgrade.unready, 0), goal.scale, "ready"
    return running, goal.scale, "running"


def _seconds_to(next_batch: datetime | None) -> float:
    """When to look again: when the next batch of an upgrade is due, and now and then anyway."""
    left = (next_batch - timezone.now()).total_seconds() if next_batch else RECHECK_SECONDS
    return min(max(left, 0.1), RECHECK_SECONDS) if left > 0 else RECHECK_SECONDS


def _first_failure(containers: Sequence[Container]) -> str:
    """The message of the first container that fails."""
    for container in containers:
        if container.fault and not container.removal_requested:
            return labeled(container.name, container.message)
    return ""


def _first_trouble(containers: Sequence[Container]) -> str:
    """What is wrong with the first container that does not do its work though nothing failed for good."""
    for container in containers:
        health = unit_health(unit_of(container))
        if health in {UNHEALTHY, DEGRADED} and not container.removal_requested:
            return labeled(container.name, container.message or _check_failure(container) or container.display_state)
    return ""


def _check_failure(container: Container) -> str:
    return f"Its health check fails{reason_in_brackets(container)}." if container.health == UNHEALTHY else ""


def reconcile_stack(row: Stack) -> ReconcileResult:
    """Derive a stack's state from its services'; removing it removes them first."""
    if row.desired == "purged":
        return ReconcileResult(state="purged")
    services = list(Service.all_objects.filter(stack=row, removed=None))
    if row.desired == "removed":
        for service in services:
            if not service.removal_requested:
                service_remove(service, actor=SYSTEM, with_stack=True)
        if services:
            message = f"Waiting for {counted(len(services), 'service')} to go"
            return ReconcileResult(state="removing", message=message, requeue_after=RECHECK_SECONDS)
        return ReconcileResult(state="removed")
    rollout = reconcile_rollout(row, services)
    if rollout is not None:
        return rollout
    return ReconcileResult(
        state="active",
        status={**row.status, "health": health_of_stack(services)},
        requeue_after=RESYNC_SECONDS if services else None,
    )


def services_to_requeue(row: Container) -> Iterable[tuple[str, int]]:
    """The service to requeue when its container is in sync: only for the last one of them, or one that failed."""
    if not row.spread_key:
        return []
    if not row.is_crash_looping and _waits_for_siblings(row):
        return []
    keys: Any = Service.all_objects.filter(uuid=row.spread_key).values_list("pk", flat=True)
    return [("service", key) for key in keys]


def _waits_for_siblings(row: Container) -> bool:
    """Whether others of the service are busy: the last of them requeues it, and not each of a thousand."""
    siblings = Container.all_objects.filter(spread_key=row.spread_key, removed=None).exclude(pk=row.pk)
    siblings = siblings.exclude(desired="removed")  # on a lost host that may last for days
    busy = Q(observed_generation__lt=F("generation")) | Q(state__in=CONTAINER.transitional)
    if row.desired != "running" or not siblings.filter(busy, fault=False).exists():
        return False
    # `row` is as it was before. What is unhealthy by now is replaced at once: the start of others may take minutes.
    return not Container.all_objects.filter(pk=row.pk, health=UNHEALTHY).exists()


def stacks_to_requeue(row: Service) -> Iterable[tuple[str, int]]:
    """A service's stack."""
    return [("stack", row.stack_id)]
