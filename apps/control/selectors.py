"""Reads of operations and the audit log."""

from __future__ import annotations

from django.db.models import QuerySet

from apps.control.models import AuditEntry, Operation
from apps.environments.access import Actor


def audit_everywhere(actor: Actor) -> QuerySet[AuditEntry]:
    """Every audit line, those of no environment (log-ins, accounts) included, for administrators; else the actor's."""
    if actor.is_admin:
        rows: QuerySet[AuditEntry] = AuditEntry.all_objects.all()
        return rows
    seen: QuerySet[AuditEntry] = AuditEntry.objects.within(actor.environments("view"))
    return seen


def kept(actor: Actor) -> dict[str, int]:
    """How many rows each retention setting of audit lines and operations holds now; administrators only."""
    if not actor.is_admin:
        return {}
    return {
        "retention.audit.days": AuditEntry.all_objects.count(),
        "retention.operations.days": Operation.all_objects.count(),
    }
