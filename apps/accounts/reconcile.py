"""How accounts and keys are reconciled: the desired state holds at once; people of providers are re-synced."""

from __future__ import annotations

from apps.accounts.models import User
from apps.accounts.providers.resync import resync_account
from apps.core.models import Managed
from apps.core.result import ReconcileResult


def reconcile_api_key(row: Managed) -> ReconcileResult:
    """A key has nothing outside the database: what is desired is the case."""
    return ReconcileResult(state=row.desired)


def reconcile_account(row: User) -> ReconcileResult:
    """What is desired is the case; people of a provider are also re-synced with it when it is time."""
    if row.desired != "active":
        return ReconcileResult(state=row.desired)
    outcome = resync_account(row)
    return ReconcileResult(state=row.desired, message=outcome.rejection_reason, requeue_after=outcome.requeue_after)
