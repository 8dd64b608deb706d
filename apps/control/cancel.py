"""Taking a wish back while it is being done, and having one tried again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.control.models import PENDING_STATES, Operation
from apps.control.queue import enqueue_after_commit
from apps.control.reconcile import KINDS
from apps.control.services import record
from apps.core.errors import ActionNotAvailable, Conflict, Forbidden
from apps.core.events import row_changed
from apps.core.lifecycle import LifeCycle
from apps.core.models import Managed
from apps.environments.access import Verdict, can
from apps.environments.actor import Actor


def can_cancel(operation: Operation, actor: Actor) -> Verdict:
    """Whether the actor may take this wish back now, and if not, why."""
    if not operation.is_pending:
        return Verdict(allowed=False, reason=_("It is over: %(state)s.") % {"state": operation.state})
    cycle, action = _life_cycle(operation), _action(operation)
    inverse = "remove" if action == cycle.create_action else action
    if inverse not in cycle.transitions and action != "cancel":
        return Verdict(allowed=False, reason=_("Cancel what waits for it instead."))
    return can(actor, _permission(cycle, inverse), operation.environment_id)


def can_retry(operation: Operation, actor: Actor) -> Verdict:
    """Whether the actor may have it tried again, and if not, why."""
    if operation.state not in {*PENDING_STATES, "failed"}:
        return Verdict(allowed=False, reason=_("It is over: %(state)s.") % {"state": operation.state})
    return can(actor, _permission(_life_cycle(operation), _action(operation)), operation.environment_id)


def operation_cancel(operation: Operation, *, actor: Actor) -> Operation:
    """Take a wish back: what was asked to be made is removed, anything else becomes what it was before.

    Returns the operation that does it, or the cancelled one where a newer wish has taken its place already. Raises
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
        return _write_desired(row, operation, "cancel", _undo_columns(operation), actor)


def operation_retry(operation: Operation, *, actor: Actor) -> Operation:
    """Have a failed wish tried again as a new one; one that is going on is looked at again now.

    Raises `Forbidden`, `ActionNotAvailable` when it succeeded, was replaced, or its row is not there any more.
    """
    _require(can_retry(operation, actor))
    if operation.is_pending:
        enqueue_after_commit(operation.kind, operation.target)
        return operation
    row = _target_row(operation)
    if row is None or row.generation != operation.generation:
        raise ActionNotAvailable(_("Something newer was asked since; there is nothing to try again."), field="action")
    action = _action(operation)
    transition = _life_cycle(operation).transitions.get(action)
    doing = {"transition_state": transition.transition_state_from(row.display_state)} if transition else {}
    with transaction.atomic():
        return _write_desired(row, operation, action, doing, actor)


def _require(answer: Verdict) -> None:
    if not answer:
        raise Forbidden(answer.reason) if answer.is_forbidden else ActionNotAvailable(answer.reason, field="action")


def _target_row(operation: Operation) -> Any:
    return KINDS[operation.kind].model.all_objects.filter(pk=operation.target).first()


def _life_cycle(operation: Operation) -> LifeCycle:
    cycle: LifeCycle = KINDS[operation.kind].model.LIFECYCLE
    return cycle


def _action(operation: Operation) -> str:
    return operation.name.partition(".")[2]


def _permission(cycle: LifeCycle, action: str) -> str:
    """What an action takes; taking a cancellation back takes what any change does."""
    transition = (
        cycle.transitions.get(action) or cycle.transitions.get("update") or cycle.transitions[cycle.create_action]
    )
    return transition.permission


def _cancelled_message(actor: Actor) -> str:
    return _("Cancelled by %(who)s.") % {"who": actor.user or "Corral"}


def _describe(operation: Operation) -> dict[str, Any]:
    return {"operation": operation.pk, "name": operation.name}


def _undo_columns(operation: Operation) -> dict[str, Any]:
    """The columns that undo the wish."""
    cycle = _life_cycle(operation)
    if _action(operation) == cycle.create_action:
        removal = cycle.transitions["remove"]
        return {"desired": removal.desired, "transition_state": removal.transition_state}
    return {**(json.loads(operation.previous_values) if operation.previous_values else {}), "transition_state": ""}


def _write_desired(
    row: Managed, operation: Operation, action: str, columns: Mapping[str, Any], actor: Actor
) -> Operation:
    """Write the columns as a new wish with an operation and an audit line of its own."""
    fresh = {
        "fault": False,
        "message": "",
        "attempts": 0,
        "next_attempt_at": timezone.now(),
        "generation": F("generation") + 1,
    }
    rows = type(row).all_objects.filter(pk=row.pk, generation=row.generation)
    previous_values = {name: getattr(row, name) for name in columns if name != "transition_state"}
    if not rows.update(**columns, **fresh):
        raise Conflict(_("%(name)s was changed by somebody else just now; look again.") % {"name": row.name})
    row.refresh_from_db()
    made: Operation = Operation.all_objects.create(
        environment_id=operation.environment_id,
        account=actor.user,
        via=actor.via,
        name=f"{operation.kind}.{action}",
        kind=operation.kind,
        target=operation.target,
        target_name=operation.target_name,
        generation=row.generation,
        parent=operation.parent,
        input=operation.input if action != "cancel" else _describe(operation),
        previous_values=json.dumps(previous_values, default=str) if previous_values else operation.previous_values,
        request_id=actor.request_id,
    )
    event, place = f"{operation.kind}.{action}", operation.environment_id
    record(event, actor=actor, row=row, environment_id=place, request=made.input)
    enqueue_after_commit(row.KIND, row.pk)
    row_changed(place, row.KIND, row.pk)
    return made
