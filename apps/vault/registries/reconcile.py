"""Reconciling registries: they are in the database only, and what is desired is the case."""

from __future__ import annotations

from apps.core.models import Managed
from apps.core.result import ReconcileResult


def reconcile_registry(row: Managed) -> ReconcileResult:
    """Engines are given credentials with each pull, and keep none: there is nothing to bring about."""
    return ReconcileResult(state=row.desired)
