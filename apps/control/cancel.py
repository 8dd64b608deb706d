"""Taking a wish back while it is being done, and having one tried again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.control.models import OPEN, Operation
from apps.control.reconcile import KINDS
from apps.control.services import record
from apps.control.wake import wake
from apps.core.errors import ActionNotAvailable, Conflict, Forbidden
from apps.core.events import changed
from apps.core.lifecycle import LifeCycle
from apps.core.models import Managed
from apps.environments.access import Actor, Verdict, can


def cancellable(operation: Operation, actor: Actor) -> Verdict:
    """Whether the actor may take this wish back now, and if not, why."""
    if not operation.is_open:
        return Verdict(allowed=False, reason=_("It is over: %(state)s.") % {"state": operation.state})
    cycle, action = _cycle(operation), _action(operation)
    undoing = "remove" if action == cycle.born else action
    if undoing not in cycle.transitions and action != "cancel":
        return Verdict(allowed=False, reason=_("Cancel what waits for it instead."))
    return can(actor, _permission(cycle, undoing), operation.environment_id)


def repeatable(operation: Operation, actor: Actor) -> Verdict:
    """Whether the actor may have it tried again, and if not, why."""
    if operation.state not in {*OPEN, "failed"}:
        return Verdict(allowed=False, reason=_("It is over: %(state)s.") % {"state": operation.state})
    return can(actor, _permission(_cycle(operation), _action(operation)), operation.environment_id)


def operation_cancel(operation: Operation, *, actor: Actor) -> Operation:
    """Take a wish back: what was asked to be made is removed, anything else becomes what it was before.

    Returns the operation that does it, or the cancelled one where a newer wish has taken its place already. Raises
    `Forbidden`, `ActionNotAvailable` when it is over.
    """
    _insist(cancellable(operation, actor))
    with transaction.atomic():
        ended = {"state": "cancelled", "ended": timezone.now(), "message": _said(actor)}
        if not Operation.all_objects.filter(pk=operation.pk, state__in=OPEN).update(**ended):
            raise ActionNotAvailable(_("It has ended just now."), field="action")
        row = _row(operation)
        if row is None or row.generation != operation.generation:
            record("operation.cancel", actor=actor, environment_id=operation.environment_id, request=_told(operation))
            return operation
        return _wish(row, operation, "cancel", _back(operation), actor)


def operation_retry(operation: Operation, *, actor: Actor) -> Operation:
    """Have a failed wish tried again as a new one; one that is going on is looked at again now.

    Raises `Forbidden`, `ActionNotAvailable` when it succeeded, was replaced, or its row is not there any more.
    """
    _insist(repeatable(operation, actor))
    if operation.is_open:
        wake(operation.kind, operation.target)
        return operation
    row = _row(operation)
    if row is None or row.generation != operation.generation:
        raise ActionNotAvailable(_("Something newer was asked since; there is nothing to try again."), field="action")
    action = _action(operation)
    transition = _cycle(operation).transitions.get(action)
    doing = {"doing": transition.doing_from(row.shown)} if transition else {}
    with transaction.atomic():
        return _wish(row, operation, action, doing, actor)


def _insist(answer: Verdict) -> None:
    if not answer:
        raise Forbidden(answer.reason) if answer.by_role else ActionNotAvailable(answer.reason, field="action")


def _row(operation: Operation) -> Any:
    return KINDS[operation.kind].model.all_objects.filter(pk=operation.target).first()


def _cycle(operation: Operation) -> LifeCycle:
    cycle: LifeCycle = KINDS[operation.kind].model.LIFECYCLE
    return cycle


def _action(operation: Operation) -> str:
    return operation.name.partition(".")[2]


def _permission(cycle: LifeCycle, action: str) -> str:
    """What an action takes; taking a cancellation back takes what any change does."""
    transition = cycle.transitions.get(action) or cycle.transitions.get("update") or cycle.transitions[cycle.born]
    return transition.permission


def _said(actor: Actor) -> str:
    return _("Cancelled by %(who)s.") % {"who": actor.user or "Corral"}


def _told(operation: Operation) -> dict[str, Any]:
    return {"operation": operation.pk, "name": operation.name}


def _back(operation: Operation) -> dict[str, Any]:
    """The columns that undo the wish."""
    cycle = _cycle(operation)
    if _action(operation) == cycle.born:
        removal = cycle.transitions["remove"]
        return {"desired": removal.wish, "doing": removal.doing}
    return {**(json.loads(operation.before) if operation.before else {}), "doing": ""}


def _wish(row: Managed, operation: Operation, action: str, columns: Mapping[str, Any], actor: Actor) -> Operation:
    """Write the columns as a new wish with an operation and an audit line of its own."""
    fresh = {"fault": False, "message": "", "looks": 0, "next_look": timezone.now(), "generation": F("generation") + 1}
    rows = type(row).all_objects.filter(pk=row.pk, generation=row.generation)
    before = {name: getattr(row, name) for name in columns if name != "doing"}
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
        input=operation.input if action != "cancel" else _told(operation),
        before=json.dumps(before, default=str) if before else operation.before,
        request_id=actor.request_id,
    )
    event, place = f"{operation.kind}.{action}", operation.environment_id
    record(event, actor=actor, row=row, environment_id=place, request=made.input)
    wake(row.KIND, row.pk)
    changed(place, row.KIND, row.pk)
    return made
