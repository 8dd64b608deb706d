"""Cancelling a pending operation and retrying a failed one: which columns, and who may."""

from __future__ import annotations

import json
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.control.kinds import KINDS
from apps.control.models import PENDING_STATES, Operation
from apps.control.queue import enqueue_after_commit
from apps.control.services import record, write_change
from apps.core.errors import ActionNotAvailable, Forbidden, Locked
from apps.core.hooks import hooks
from apps.core.lifecycle import LifeCycle
from apps.environments.access import Verdict, can
from apps.environments.actor import Actor


def can_cancel(operation: Operation, actor: Actor) -> Verdict:
    """Whether the actor may cancel this operation now, and if not, why."""
    if not operation.is_pending:
        return Verdict(allowed=False, reason=_("It is over: %(state)s.") % {"state": operation.state})
    cycle, action = _life_cycle(operation), _action(operation)
    inverse = "remove" if action == cycle.create_action else action
    if inverse not in cycle.transitions and action != "cancel":
        return Verdict(allowed=False, reason=_("Cancel what waits for it instead."))
    if action in cycle.not_undone:
        return Verdict(allowed=False, reason=_("It concerns more than this one: use the actions of its page instead."))
    return can(actor, _permission(cycle, inverse), operation.environment_id)


def can_retry(operation: Operation, actor: Actor) -> Verdict:
    """Whether the actor may retry this operation, and if not, why."""
    if operation.state not in {*PENDING_STATES, "failed"}:
        return Verdict(allowed=False, reason=_("It is over: %(state)s.") % {"state": operation.state})
    return can(actor, _permission(_life_cycle(operation), _action(operation)), operation.environment_id)


def operation_cancel(operation: Operation, *, actor: Actor) -> Operation:
    """Undo what a pending operation wants: what it creates is removed, anything else becomes what it was before.

    Returns the operation that does so, or the cancelled one where a newer change has taken its place already. Raises
    `Forbidden`, `ActionNotAvailable` when it is over.
    """
    _require(can_cancel(operation, actor))
    with transaction.atomic():
        ended = {"state": "cancelled", "ended": timezone.now(), "message": _cancelled_message(actor)}
        if not Operation.all_objects.filter(pk=operation.pk, state__in=PENDING_STATES).update(**ended):
            raise ActionNotAvailable(_("It has ended just now."), field="action")
        row = _target_row(operation)
        if row is None or row.generation != operation.generation:
            record(
                "operation.cancel", actor=actor, environment_id=operation.environment_id, request=_describe(operation)
            )
            return operation
        _require_unlocked(row, actor)
        return write_change(
            row,
            "cancel",
            _undo_columns(operation),
            actor=actor,
            environment_id=operation.environment_id,
            request=_describe(operation),
            parent=operation.parent,
        )


def operation_retry(operation: Operation, *, actor: Actor) -> Operation:
    """Retry a failed operation as a new one; the row of one that is still pending is reconciled now.

    Raises `Forbidden`, `ActionNotAvailable` when it succeeded, was replaced, or its row is not there any more.
    """
    _require(can_retry(operation, actor))
    if operation.is_pending:
        enqueue_after_commit(operation.kind, operation.target)
        return operation
    row = _target_row(operation)
    if row is None or row.generation != operation.generation:
        raise ActionNotAvailable(_("Something newer was asked since; there is nothing to try again."), field="action")
    _require_unlocked(row, actor)
    action = _action(operation)
    transition = _life_cycle(operation).transitions.get(action)
    columns = (
        {"transition_state": transition.transition_state_from(row.display_state, row.desired)} if transition else {}
    )
    return write_change(
        row,
        action,
        columns,
        actor=actor,
        environment_id=operation.environment_id,
        request=operation.input,
        parent=operation.parent,
        previous_values=operation.previous_values,
    )


def _require(decision: Verdict) -> None:
    if not decision:
        refusal = Forbidden(decision.reason) if decision.is_forbidden else None
        raise refusal or ActionNotAvailable(decision.reason, field="action")


def _require_unlocked(row: Any, actor: Actor) -> None:
    if reason := hooks.lock_refusal(actor, "update", row):
        raise Locked(reason, field="action")


def _target_row(operation: Operation) -> Any:
    return KINDS[operation.kind].model.all_objects.filter(pk=operation.target).first()


def _life_cycle(operation: Operation) -> LifeCycle:
    cycle: LifeCycle = KINDS[operation.kind].model.LIFECYCLE
    return cycle


def _action(operation: Operation) -> str:
    return operation.name.partition(".")[2]


def _permission(cycle: LifeCycle, action: str) -> str:
    """The permission that an action takes; cancelling a cancellation takes what any change does."""
    transition = (
        cycle.transitions.get(action) or cycle.transitions.get("update") or cycle.transitions[cycle.create_action]
    )
    return transition.permission


def _cancelled_message(actor: Actor) -> str:
    return _("Cancelled by %(who)s.") % {"who": actor.user or "Corral"}


def _describe(operation: Operation) -> dict[str, Any]:
    return {"operation": operation.pk, "name": operation.name}


def _undo_columns(operation: Operation) -> dict[str, Any]:
    """The desired columns that undo the operation."""
    cycle = _life_cycle(operation)
    if _action(operation) == cycle.create_action:
        removal = cycle.transitions["remove"]
        return {"desired": removal.desired, "transition_state": removal.transition_state}
    return {**(json.loads(operation.previous_values) if operation.previous_values else {}), "transition_state": ""}
