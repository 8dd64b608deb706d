"""Bringing a service's containers to its revision: what the plan of an upgrade takes, and its steps done."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.dateparse import parse_datetime

from apps.containers.launch.config import LaunchConfig
from apps.containers.lifecycle import CONTAINER
from apps.containers.models import Container
from apps.containers.services import container_act
from apps.containers.timeline import record_event
from apps.control.models import Operation
from apps.core.errors import Problem
from apps.environments.actor import SYSTEM
from apps.stacks.drain import is_host_left, slot_view
from apps.stacks.models import Service, ServiceRevision, Slot
from apps.stacks.plan import SlotView
from apps.stacks.readiness import ReadyRule
from apps.stacks.updates.pins import with_pin
from apps.stacks.upgrade import KEEPING, PAUSED, STEADY_STATES, UPGRADING, Rollout, UpgradePlan
from apps.stacks.verdict.observation import UpgradeObservation

REVISION_LABEL = "io.corral.service.revision"
NEXT_BATCH_AT = "next_batch_at"  # in the service's status


def revision_of(container: Container) -> int:
    """The revision that a container was made from; before revisions were counted there was one."""
    return int(container.tags.get(REVISION_LABEL, 1))


def upgrade_view(row: Service, slot: Slot, rule: ReadyRule) -> SlotView:
    """The slot as both plans see it."""
    view = slot_view(slot, row.lost_after, rule)
    container, previous, successor = slot.container, _kept(slot), slot.successor
    is_paused = row.upgrade_phase in PAUSED
    return replace(
        view,
        is_outdated=not is_paused and container is not None and revision_of(container) != row.current_version,
        successor_is_outdated=not is_paused and successor is not None and revision_of(successor) != row.current_version,
        successor_is_stopped=successor is not None and successor.desired == "stopped" and _has_stopped(successor),
        previous=previous.pk if previous else None,
        previous_is_current=previous is not None and revision_of(previous) == row.current_version,
        previous_is_stopping=previous is not None and previous.display_state in {"running", "stopping"},
        previous_must_leave=previous is not None and is_host_left(previous.host, row.lost_after),
    )


def _kept(slot: Slot) -> Container | None:
    """What the slot keeps for a rollback, unless that goes."""
    previous = slot.previous
    return None if previous is None or previous.removal_requested or previous.removed is not None else previous


def rollout_of(row: Service) -> Rollout:
    """How the service's containers are to be brought to its revision."""
    next_at = parse_datetime(row.status.get(NEXT_BATCH_AT) or "")
    return Rollout(
        batch_size=max(1, int(row.upgrade.get("batchSize", 1))),
        start_first=bool(row.upgrade.get("startFirst", False)),
        keeps_previous=row.upgrade_phase in KEEPING,
        may_begin=next_at is None or next_at <= timezone.now(),
        holds_after_first=_waits_for_verdict(row),
    )


def _waits_for_verdict(row: Service) -> bool:
    """Whether the first batch of an upgrade that is judged has not proved itself yet."""
    if row.upgrade_phase != UPGRADING or not row.upgrade.get("verdict"):
        return False
    mine = UpgradeObservation.objects.filter(service=row, revision=row.revision)
    return mine.filter(stage=UpgradeObservation.FIRST_BATCH).exists()


def steady_state(row: Service) -> str:
    """What the service is called once everything is where it should be."""
    return STEADY_STATES.get(row.upgrade_phase, row.desired) if row.desired == "active" else str(row.desired)


def next_batch_at(row: Service, plan: UpgradePlan) -> datetime | None:
    """When the next batch may begin, now that this plan's steps are taken; None when it need not be waited for."""
    if plan.begun:
        return timezone.now() + timedelta(milliseconds=int(row.upgrade.get("intervalMillis", 0)))
    return parse_datetime(row.status.get(NEXT_BATCH_AT) or "") if plan.left else None


def config_to_run(row: Service, previous: Container | None) -> tuple[LaunchConfig, int]:
    """The launch configuration and the revision of a new container in the place of `previous`.

    While an upgrade or a rollback is paused, what is replaced is replaced by its like.
    """
    number = revision_of(previous) if previous is not None and row.upgrade_phase in PAUSED else row.current_version
    if number != row.current_version:
        kept = ServiceRevision.objects.filter(service=row, number=number).first()
        if kept is not None:
            return with_pin(kept.config, kept.image_pins), number
    return with_pin(row.config, row.image_pins), row.current_version


Build = Callable[[Sequence[int]], Mapping[int, Container]]


def apply_upgrade(
    row: Service, slots: Sequence[Slot], plan: UpgradePlan, operation: Operation | None, build: Build
) -> None:
    """Do the steps of the plan; `build` creates containers for slots by their numbers. The caller's transaction."""
    by_number = {slot.number: slot for slot in slots}
    _forget_removed(slots)
    for number in plan.stop:
        request_if_allowed(by_number[number].container, "stop", operation)
    needed = [
        number
        for number in plan.replace + plan.surge
        if number in plan.discard or not _has_current_previous(row, by_number[number])
    ]
    created = build(needed) if needed else {}
    for number in plan.discard:
        _discard(by_number[number], operation)
    _give_up_successors(by_number, plan, operation)
    for number in plan.surge:
        slot = by_number[number]
        slot.successor = created.get(number) or _take_previous(slot, operation)
        slot.save(update_fields=["successor", "previous"])
    for number in plan.replace:
        _replace(row, by_number[number], created.get(number), operation)
    for number in plan.promote:
        slot = by_number[number]
        successor, slot.successor = slot.successor, None
        _replace(row, slot, successor, operation)


def _has_current_previous(row: Service, slot: Slot) -> bool:
    previous = _kept(slot)
    return previous is not None and revision_of(previous) == row.current_version


def _take_previous(slot: Slot, operation: Operation | None) -> Container | None:
    """What was kept goes to work again; a job that has ended has done its work."""
    kept, slot.previous = slot.previous, None
    if kept is not None and not kept.is_finished:
        request_if_allowed(kept, "start", operation)
    return kept


def _replace(row: Service, slot: Slot, container: Container | None, operation: Operation | None) -> None:
    """Give the slot another container (without one: what it keeps); the old one is kept, or goes."""
    old = slot.container
    slot.container = container or _take_previous(slot, operation)
    if slot.container is not None and old is not None:
        record_event(slot.container, "replaced", f"Now of revision {row.revision}.")
    if row.upgrade_phase == UPGRADING:
        if _is_way_back(row, slot, old):  # what this upgrade replaces was itself not decided yet
            request_if_allowed(old, "remove", operation)
        else:
            request_if_allowed(slot.previous, "remove", operation)  # of an upgrade before this one
            slot.previous = old
            request_if_allowed(old, "stop", operation)
    else:
        request_if_allowed(old, "remove", operation)
    slot.save(update_fields=["container", "successor", "previous"])


def _is_way_back(row: Service, slot: Slot, old: Container | None) -> bool:
    """Whether what the slot keeps, rather than what it has now, is of the revision that a rollback leads to."""
    kept = _kept(slot)
    if kept is None or old is None or revision_of(kept) == revision_of(old):
        return False
    before = ServiceRevision.objects.filter(service=row, number=row.previous_revision or 0).first()
    return before is not None and revision_of(kept) == (before.primary_version or before.number)


def _forget_removed(slots: Sequence[Slot]) -> None:
    """A successor may have gone with its host, and nobody else lets go of it."""
    for slot in slots:
        if slot.successor is not None and slot.successor.removed is not None:
            slot.successor = None
            slot.save(update_fields=["successor"])


def _give_up_successors(by_number: Mapping[int, Slot], plan: UpgradePlan, operation: Operation | None) -> None:
    """Stop successors that are not wanted any more, and then remove them."""
    for number in plan.halt:
        request_if_allowed(by_number[number].successor, "stop", operation)
    for number in plan.recall:
        _recall(by_number[number], operation)


def _recall(slot: Slot, operation: Operation | None) -> None:
    """Remove a successor that is not wanted any more; the slot gets another when its turn comes."""
    request_if_allowed(slot.successor, "remove", operation)
    slot.successor = None
    slot.save(update_fields=["successor"])


def _has_stopped(container: Container) -> bool:
    return container.display_state in {"stopped", "error"}


def _discard(slot: Slot, operation: Operation | None) -> None:
    request_if_allowed(slot.previous, "remove", operation)
    slot.previous = None
    slot.save(update_fields=["previous"])


def request_if_allowed(container: Container | None, action: str, operation: Operation | None) -> None:
    """Request an action, unless the container's state does not allow it yet: a later reconcile does."""
    if container is not None and CONTAINER.allows(action, container.display_state):
        try:
            container_act(container, action, actor=SYSTEM, parent=operation)
        except Problem:
            return
