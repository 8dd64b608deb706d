"""How accounts and keys settle: the wish comes true at once; people of log-in providers are asked about anew."""

from __future__ import annotations

from apps.accounts.models import User
from apps.accounts.providers.resync import resync_account
from apps.core.models import Managed
from apps.core.result import ReconcileResult


def reconcile_api_key(row: Managed) -> ReconcileResult:
    """The wish, seen."""
    return ReconcileResult(state=row.desired)


def reconcile_account(row: User) -> ReconcileResult:
    """The wish, seen; for somebody of a provider also whether they are still there, and in which groups."""
    if row.desired != "active":
        return ReconcileResult(state=row.desired)
    outcome = resync_account(row)
    return ReconcileResult(state=row.desired, message=outcome.rejection_reason, requeue_after=outcome.requeue_after)
