"""Reconciling certificates: those that people bring are as desired at once, others are ordered from an authority."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from apps.control.services import record
from apps.core.result import ReconcileResult
from apps.vault.acme.issuance import IssuanceStep, advance, needs_certificate
from apps.vault.expiry import due_warning, is_given, next_change, warning_mark
from apps.vault.models import Certificate
from apps.vault.selectors import warnings_about

PLACEHOLDER = "No authority has issued it yet: until then it signs itself, and browsers warn."


def reconcile_certificate(row: Certificate) -> ReconcileResult:
    """Order or renew it where that is due; say what is odd about it, and come again when there is something new."""
    if row.removal_requested:
        return ReconcileResult(state=row.desired)
    now = timezone.now()
    if not needs_certificate(row, now):
        return _observed(row, now)
    step = advance(row, now)
    if step.is_done:
        for column, value in step.fields.items():
            setattr(row, column, value)
        return replace(_observed(row, now), fields=step.fields)
    return _waiting(row, step, now)


def _observed(row: Certificate, now: datetime) -> ReconcileResult:
    """A certificate that is as desired: what goes on is the time until it expires."""
    warnings = warnings_about(row, now)
    _warn_of_expiry(row, now)
    again = next_change(row.issued_at, row.expires_at, now, renews=bool(row.acme))
    return ReconcileResult(
        state="active",
        status={"warnings": warnings},
        message=_message(row, warnings, now),
        requeue_after=(again - now).total_seconds() if again else None,
        notes=tuple(warnings),
    )


def _waiting(row: Certificate, step: IssuanceStep, now: datetime) -> ReconcileResult:
    """A certificate that an authority is asked for; the older one serves meanwhile."""
    warnings = [PLACEHOLDER] if row.is_placeholder else warnings_about(row, now)
    _warn_of_expiry(row, now)
    return ReconcileResult(
        state="activating" if row.is_placeholder else "active",
        status={"warnings": warnings},
        message=step.message,
        requeue_after=step.wait,
        failed=step.failed,
        fields=step.fields,
    )


def _due_warning(row: Certificate, now: datetime) -> int | None:
    return due_warning(row.issued_at, row.expires_at, now, renews=bool(row.acme))


def _message(row: Certificate, warnings: list[str], now: datetime) -> str:
    is_near = _due_warning(row, now) is not None and row.expires_at > now
    soon = f"It expires on {row.expires_at:%Y-%m-%d}: renew it." if is_near else ""
    return " ".join(filter(None, (soon, *warnings)))


def _warn_of_expiry(row: Certificate, now: datetime) -> None:
    """Write the event of a warning that is due, once, however often and wherever this runs."""
    days = _due_warning(row, now)
    if days is None or is_given(row.warning, row.fingerprint, days):
        return
    with transaction.atomic():
        mine = Certificate.all_objects.filter(pk=row.pk, warning=row.warning, generation=row.generation)
        if mine.update(warning=warning_mark(row.fingerprint, days)):
            event = "certificate.expired" if row.expires_at <= now else "certificate.expiring"
            request = {"days": days, "expiresAt": row.expires_at.isoformat()}
            record(event, actor=None, row=row, environment_id=row.environment_id, request=request)
