"""The two Celery tasks of the whole portal: look at one row, and find the rows that nobody woke."""

from __future__ import annotations

from celery import shared_task
from django.db import close_old_connections

from apps.accounts.login.open_mode import warn_if_open_mode
from apps.control import reconcile as loop
from apps.control import retention
from apps.control.queue import enqueue


@shared_task(name="control.reconcile", ignore_result=True)  # type: ignore[untyped-decorator]
def reconcile(kind: str, key: int) -> None:
    """Look at one row."""
    close_old_connections()
    loop.reconcile_one(kind, key)


@shared_task(name="control.resync", ignore_result=True)  # type: ignore[untyped-decorator]
def resync() -> None:
    """Wake what is due and fail what is late."""
    close_old_connections()
    for kind, key in loop.due_rows():
        enqueue(kind, key)
    loop.fail_overdue()
    warn_if_open_mode()
    retention.clean_if_due()
