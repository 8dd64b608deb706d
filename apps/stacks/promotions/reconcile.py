"""The loop's part of promotions: wait for approval and window, deploy once, follow the upgrade to its end."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils import timezone

from apps.core.edits import StaleEdit
from apps.core.errors import Conflict, Problem
from apps.core.result import ReconcileResult
from apps.core.texts import labeled
from apps.stacks.models import Service, Stack
from apps.stacks.promotions.lifecycle import (
    DONE,
    FAILED,
    PROMOTING,
    REFUSED,
    UNDONE,
    WAITING_FOR_APPROVAL,
    WAITING_FOR_WINDOW,
)
from apps.stacks.promotions.models import Promotion
from apps.stacks.promotions.preview import PromotionPreview, files_for, find_target, merged_variables
from apps.stacks.promotions.requester import requester_of
from apps.stacks.promotions.rules import rules_of
from apps.stacks.promotions.services import content_of, preview_requested
from apps.stacks.services import stack_create
from apps.stacks.stack_upgrade import stack_upgrade

LOOK_AGAIN = 5.0
_NAMED = 5  # services whose reasons are shown
LONGEST_WAIT = 300.0  # so that a clock that was set, or a zone that was changed, is noticed
_CANCELED = frozenset({"canceling-upgrade", "canceled-upgrade", "rolling-back", "canceling-rollback"})
_STARTING = ("requested", "registering", "activating")


def reconcile_promotion(row: Promotion) -> ReconcileResult:
    """Take the next step; killed at any moment, it goes on from there: the deployment and its mark are one write."""
    if row.desired == REFUSED:
        return ReconcileResult(REFUSED, message=row.refusal_reason, fields={"ended": row.ended or timezone.now()})
    if row.desired == UNDONE:
        return _follow_undo(row)
    if row.observed_generation == row.generation and row.state in {DONE, FAILED}:  # whatever became of the target since
        return ReconcileResult(row.state, message=row.message, failed=row.state == FAILED)
    return _start(row) if row.target_revision is None else _follow(row)


def _start(row: Promotion) -> ReconcileResult:
    preview = preview_requested(row)
    rules = rules_of(row.environment_id)
    if rules.needs_approval:
        waits = _missing_approval(row, preview)
        if waits:
            return ReconcileResult(WAITING_FOR_APPROVAL, message=waits)
    elif preview.basis != row.target_basis:
        return _failed(row, f"{row.name} was changed after this was requested: look at it again, and request it again.")
    now = timezone.now()
    if not rules.window.is_open(now):
        opens = rules.window.opens_at(now)
        left = (opens - now).total_seconds()
        text = f"Waits for the change window ({rules.window.describe()}), which opens {opens:%Y-%m-%d %H:%M} UTC."
        return ReconcileResult(WAITING_FOR_WINDOW, message=text, requeue_after=min(left, LONGEST_WAIT))
    if preview.problems:
        return _failed(row, " ".join(preview.problems)[:2000])
    try:
        _deploy(row, preview)
    except Problem as problem:
        return _failed(row, problem.message)
    row.refresh_from_db()
    return _follow(row)


def _missing_approval(row: Promotion, preview: PromotionPreview) -> str:
    """Why it waits for somebody's approval; empty where somebody has approved what it would do now."""
    if not row.approved_digest:
        return "Waits until a second person has approved it."
    if row.approved_digest != content_of(row).digest:
        return "What was approved is not what would be deployed: it has to be looked at again."
    if row.approved_basis != preview.basis:
        return f"{row.name} was changed after the approval: it has to be looked at again."
    return ""


def _deploy(row: Promotion, preview: PromotionPreview) -> None:
    """Make or upgrade the target, and note in the same write that it was done. Raises `Problem`."""
    actor, refusal = requester_of(row)
    if refusal:
        raise Problem(refusal)
    content = content_of(row)
    note = row.note or f"Promoted{f', revision {row.source_revision}' if row.source_revision else ''}"
    with transaction.atomic():
        target = find_target(content)
        if (target is None) != (preview.target is None):
            raise StaleEdit(row.name)
        if target is None:
            target = stack_create(
                actor=actor,
                environment=row.environment,
                name=row.name,
                docker_compose=row.docker_compose,
                rancher_compose=row.rancher_compose,
                variables=merged_variables(content, None),
                start_on_create=True,
            )
            columns: dict[str, Any] = {"target_revision": target.revision, "is_new_stack": True}
        else:
            stack_upgrade(target, files_for(content, target, note=note, based_on=preview.basis), actor=actor)
            columns = {"target_revision": target.revision, "previous_revision": target.previous_revision}
        mine = Promotion.all_objects.filter(pk=row.pk, generation=row.generation, lease=row.lease)
        if not mine.update(target=target, **columns):
            raise Conflict("The promotion was changed in this moment.")


def _follow(row: Promotion) -> ReconcileResult:
    target = _target(row)
    if target is None:
        return _failed(row, "The stack was deleted meanwhile.")
    state = target.display_state
    if state in _CANCELED or target.revision != row.target_revision:
        return _failed(row, f"The upgrade of {target.name} was canceled, or taken back.")
    starting = Service.all_objects.filter(stack=target, removed=None, display_state__in=_STARTING)
    waiting = list(starting.order_by("name").values_list("name", "message")[:_NAMED]) if row.is_new_stack else []
    if state in {"upgraded", "active"} and not waiting:
        return ReconcileResult(DONE, fields={"ended": row.ended or timezone.now()})
    reasons = [labeled(name, message or "is starting") for name, message in waiting]  # such as that there is no host
    text = target.message or " ".join(reasons) or f"{target.name} is {state}."
    return ReconcileResult(PROMOTING, message=text, requeue_after=LOOK_AGAIN)


def _follow_undo(row: Promotion) -> ReconcileResult:
    target = _target(row)
    if target is not None and target.display_state in {"rolling-back", "upgrading", "finishing-upgrade"}:
        return ReconcileResult("undoing", message=target.message, requeue_after=LOOK_AGAIN)
    return ReconcileResult(UNDONE, fields={"ended": timezone.now()})


def _target(row: Promotion) -> Stack | None:
    found: Stack | None = Stack.all_objects.filter(pk=row.target_id, removed=None).first()
    return None if found is None or found.removal_requested else found


def _failed(row: Promotion, why: str) -> ReconcileResult:
    return ReconcileResult(FAILED, message=why, failed=True, fields={"ended": row.ended or timezone.now()})


def promotions_to_requeue(row: Stack) -> list[tuple[str, int]]:
    """The promotions that follow what becomes of this stack."""
    following = Promotion.all_objects.filter(target=row.pk, display_state__in=(PROMOTING, "undoing"))
    return [(Promotion.KIND, key) for key in following.values_list("pk", flat=True)]
