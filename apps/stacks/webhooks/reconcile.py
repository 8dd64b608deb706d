"""Reconciling deploy webhooks: they are in the database only, and what is desired is the case."""

from __future__ import annotations

from apps.core.result import ReconcileResult
from apps.stacks.webhooks.models import DeployWebhook


def reconcile_deploy_webhook(row: DeployWebhook) -> ReconcileResult:
    """Nothing is to be brought about."""
    return ReconcileResult(state=row.desired)
