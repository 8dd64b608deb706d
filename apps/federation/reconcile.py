"""Reconciling trust rules: they are in the database only, and what is desired is the case."""

from __future__ import annotations

from apps.core.models import Managed
from apps.core.result import ReconcileResult


def reconcile_trust_rule(row: Managed) -> ReconcileResult:
    """Tokens are compared with the row itself: there is nothing to bring about."""
    return ReconcileResult(state=row.desired)
