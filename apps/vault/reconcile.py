"""Reconciling certificates: what is desired is the case at once; what goes on is the time until they expire."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils import timezone

from apps.control.services import record
from apps.core.result import ReconcileResult
from apps.vault.expiry import due_warning, is_given, next_change, warning_mark
from apps.vault.models import Certificate
from apps.vault.selectors import warnings_about


def reconcile_certificate(row: Certificate) -> ReconcileResult:
    """Say what is odd about it, and come again when there is something new to say."""
    if row.removal_requested:
        return ReconcileResult(state=row.desired)
    now = timezone.now()
    warnings = warnings_about(row, now)
    _warn_of_expiry(row, now)
    again = next_change(row.issued_at, row.expires_at, now)
    return ReconcileResult(
        state="active",
        status={"warnings": warnings},
        message=_message(row, warnings, now),
        requeue_after=(again - now).total_seconds() if again else None,
        notes=tuple(warnings),
    )


def _message(row: Certificate, warnings: list[str], now: datetime) -> str:
    days = due_warning(row.expires_at, now)
    soon = f"It expires on {row.expires_at:%Y-%m-%d}: renew it." if days is not None and row.expires_at > now else ""
    return " ".join(filter(None, (soon, *warnings)))


def _warn_of_expiry(row: Certificate, now: datetime) -> None:
    """Write the event of a warning that is due, once, however often and wherever this runs."""
    days = due_warning(row.expires_at, now)
    if days is None or is_given(row.warning, row.fingerprint, days):
        return
    with transaction.atomic():
        mine = Certificate.all_objects.filter(pk=row.pk, warning=row.warning, generation=row.generation)
        if mine.update(warning=warning_mark(row.fingerprint, days)):
            event = "certificate.expired" if row.expires_at <= now else "certificate.expiring"
            request = {"days": days, "expiresAt": row.expires_at.isoformat()}
            record(event, actor=None, row=row, environment_id=row.environment_id, request=request)
