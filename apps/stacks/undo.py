"""Undoing a deletion or a smaller scale: the loop leaves the row alone until the time to undo is over.

The deadline is a column of the row, so that it outlives the process; whatever is asked of the row next clears it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar

from django.utils import timezone
from django.utils.translation import gettext as _

from apps.control.cancel import operation_cancel
from apps.control.models import PENDING_STATES, Operation
from apps.core.errors import ActionNotAvailable, Invalid
from apps.core.result import ReconcileResult
from apps.environments.actor import Actor
from apps.stacks.models import Service, Stack

UNDO_SECONDS = 10
"""What the console offers; over the API a change is at once unless it asks for a time."""
MAX_UNDO_SECONDS = 60
# The loop begins a little after the last moment to undo, or an undo in that moment could meet a removal under way.
GRACE = timedelta(seconds=1)

Undoable = Stack | Service
RowT = TypeVar("RowT", Stack, Service)


def undo_columns(seconds: Any) -> dict[str, datetime]:
    """The columns of a change that can be undone for so long; none for 0. Raises `Invalid`."""
    if isinstance(seconds, bool) or not isinstance(seconds, int):
        raise Invalid("undoSeconds", "InvalidFormat", "undoSeconds is a whole number of seconds.")
    if seconds < 0:
        raise Invalid("undoSeconds", "MinLimitExceeded", "undoSeconds is at least 0, which means at once.")
    if seconds > MAX_UNDO_SECONDS:
        raise Invalid("undoSeconds", "MaxLimitExceeded", f"undoSeconds is at most {MAX_UNDO_SECONDS}.")
    return {"undo_until": timezone.now() + timedelta(seconds=seconds)} if seconds else {}


def is_undoable(row: Undoable) -> bool:
    """Whether the row's last change can be undone now."""
    return row.undo_until is not None and row.undo_until > timezone.now()


def change_undo(row: Undoable, *, actor: Actor) -> Operation:
    """Undo the deletion or the smaller scale that was asked for last.

    It takes what the change itself took. Raises `Forbidden`, `ActionNotAvailable` when the time is over.
    """
    pending = Operation.all_objects.filter(kind=row.KIND, target=row.pk, generation=row.generation)
    operation = pending.filter(state__in=PENDING_STATES).first()
    if operation is None or not is_undoable(row):
        raise ActionNotAvailable(_("It is too late to undo this."), field="action")
    return operation_cancel(operation, actor=actor)


def after_undo_time(reconcile: Callable[[RowT], ReconcileResult]) -> Callable[[RowT], ReconcileResult]:
    """The reconciler, which is not called while the row's last change can be undone."""

    def run(row: RowT) -> ReconcileResult:
        left = _time_left(row)
        if left <= timedelta():
            return reconcile(row)
        # Without a number of seconds: a page that nobody refreshes would go on saying it.
        message = "Nothing is removed yet: it can be undone for a moment."
        return ReconcileResult(state=row.display_state, message=message, requeue_after=left.total_seconds())

    return run


def is_removal_delayed(row: Undoable) -> bool:
    """Whether the row is to be removed, and the loop has not begun with it, as it can be undone."""
    return row.removal_requested and _time_left(row) > timedelta()


def _time_left(row: Undoable) -> timedelta:
    return row.undo_until + GRACE - timezone.now() if row.undo_until is not None else timedelta()
