"""The two Celery tasks of the whole portal: look at one row, and find the rows that nobody woke."""

from __future__ import annotations

from celery import shared_task
from django.db import close_old_connections

from apps.accounts.login.open_mode import warn_now_and_then
from apps.control import reconcile as loop
from apps.control import retention
from apps.control.wake import send


@shared_task(name="control.reconcile", ignore_result=True)  # type: ignore[untyped-decorator]
def reconcile(kind: str, key: int) -> None:
    """Look at one row."""
    close_old_connections()
    loop.look(kind, key)


@shared_task(name="control.resync", ignore_result=True)  # type: ignore[untyped-decorator]
def resync() -> None:
    """Wake what is due and fail what is late."""
    close_old_connections()
    for kind, key in loop.due():
        send(kind, key)
    loop.fail_late()
    warn_now_and_then()
    retention.clean_now_and_then()
