"""Reads of operations and the audit log."""

from __future__ import annotations

from django.db.models import QuerySet

from apps.control.models import AuditEntry
from apps.environments.access import Actor


def audit_everywhere(actor: Actor) -> QuerySet[AuditEntry]:
    """Every audit line, those of no environment (log-ins, accounts) included, for administrators; else the actor's."""
    if actor.is_admin:
        rows: QuerySet[AuditEntry] = AuditEntry.all_objects.all()
        return rows
    seen: QuerySet[AuditEntry] = AuditEntry.objects.within(actor.environments("view"))
    return seen
